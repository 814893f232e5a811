package demo

import (
	"time"

	"alphacruncher.com/datahub-gateway/internal/tenant"
)

// Person is a person of the demo world.
type Person struct{ Email, Description string }

// People are the people of the demo world. Their names come from their addresses.
var People = []Person{
	{ada, "administrator of Econometrics 2026"},
	{ed, "editor of Groups 1, 2 and 3"},
	{vic, "viewer of Groups 1 and 2"},
	{mia, "manager of University of Example"},
	{sam, "no role at all"},
	{rita, "administrator of Private Research and manager of Private Institute"},
}

const (
	ada  = "ada@uni.example"
	ed   = "ed@uni.example"
	vic  = "vic@uni.example"
	mia  = "mia@uni.example"
	sam  = "sam@uni.example"
	rita = "rita@uni.example"
)

const (
	university   = "University of Example"
	econometrics = "Econometrics 2026"
	institute    = "Private Institute"
	research     = "Private Research"
)

// spaces are the spaces. Each has the instances Master and Distributed.
var spaces = []struct{ name, organization string }{
	{econometrics, university},
	{research, institute},
}

// instances are the working instances.
var instances = []struct{ name, space string }{
	{"Group 1", econometrics},
	{"Group 2", econometrics},
	{"Group 3", econometrics},
}

// roles are the roles of people, each in a place by its name.
var roles = []struct {
	person string
	role   tenant.Role
	place  string
}{
	{mia, tenant.OrganizationManager, university},
	{ada, tenant.SpaceAdministrator, econometrics},
	{ed, tenant.InstanceEditor, "Group 1"},
	{ed, tenant.InstanceEditor, "Group 2"},
	{ed, tenant.InstanceEditor, "Group 3"},
	{vic, tenant.InstanceViewer, "Group 1"},
	{vic, tenant.InstanceViewer, "Group 2"},
	{rita, tenant.OrganizationManager, institute},
	{rita, tenant.SpaceAdministrator, research},
}

// deletions are the instances that were deleted some time before the load. One of
// them can still be restored, and one cannot.
var deletions = []deletion{
	{"Group 2", ada, 2 * time.Hour},
	{"Group 3", ada, 30 * time.Hour},
}

// deletion is a place that was deleted some time before the load.
type deletion struct {
	place, by string
	ago       time.Duration
}

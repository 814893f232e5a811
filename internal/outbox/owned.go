package outbox

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// owned are the jobs that a queue works on, or whose outcomes it has not stored yet.
//
// While the database is away, leases cannot be renewed. The gateway may then claim a
// job that it owns: it keeps the new lease, and does not attempt the job again. So as
// long as it runs, it does no work twice, however long the database was away. There
// are never more of these jobs than the workers and the slow batches have.
type owned struct {
	// claiming is held for reading from before a claim until its jobs are added.
	claiming sync.RWMutex

	mu       sync.Mutex
	jobs     map[uuid.UUID]*ownership
	failedAt time.Time // when the last claim failed
}

// ownership is what a queue knows of a job that it owns. owned.mu guards it.
type ownership struct {
	lease   uuid.UUID     // the newest one
	again   int           // how often the job was claimed again
	storing chan struct{} // closed when the outcome was stored or not; nil: it is not being stored
}

// add adds claimed jobs, and returns those that were not owned before.
func (o *owned) add(jobs []Job) (added []Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.jobs == nil {
		o.jobs = map[uuid.UUID]*ownership{}
	}
	for _, job := range jobs {
		before := o.jobs[job.ID]
		for before != nil && before.storing != nil {
			// If it is stored now, the job was due again, and this is another attempt.
			stored := before.storing
			o.mu.Unlock()
			<-stored
			o.mu.Lock()
			before = o.jobs[job.ID]
		}
		if before != nil {
			before.lease = job.Lease
			before.again++
			continue
		}
		job.owned = &ownership{lease: job.Lease}
		o.jobs[job.ID] = job.owned
		added = append(added, job)
	}
	return added
}

// remove ends the ownership of jobs.
func (o *owned) remove(jobs ...Job) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, job := range jobs {
		if o.jobs[job.ID] == job.owned {
			delete(o.jobs, job.ID)
		}
	}
}

// removeUnlessClaimed ends the ownership of a job that a lease does not hold any more,
// and reports whether it has: if this gateway has claimed the job again since, it goes on.
func (o *owned) removeUnlessClaimed(job Job, lease uuid.UUID) bool {
	o.claiming.Lock() // waits for the claims that are under way
	defer o.claiming.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	if job.owned.lease != lease {
		return false
	}
	if o.jobs[job.ID] == job.owned {
		delete(o.jobs, job.ID)
	}
	return true
}

// leases returns the newest lease of each job, and how often it was claimed again.
func (o *owned) leases(jobs []Job) (leases postgres.UUIDs, again []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, job := range jobs {
		leases, again = append(leases, job.owned.lease), append(again, job.owned.again)
	}
	return leases, again
}

// beginStoring marks jobs whose outcomes are being stored. Call the function that it
// returns with the result: the jobs whose outcomes are stored are not owned any more.
func (o *owned) beginStoring(jobs []Job) (ended func(stored map[uuid.UUID]string)) {
	storing := make(chan struct{})
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, job := range jobs {
		job.owned.storing = storing
	}
	return func(stored map[uuid.UUID]string) {
		o.mu.Lock()
		defer o.mu.Unlock()
		for _, job := range jobs {
			job.owned.storing = nil
			if _, is := stored[job.ID]; is && o.jobs[job.ID] == job.owned {
				delete(o.jobs, job.ID)
			}
		}
		close(storing)
	}
}

func (o *owned) databaseFailed() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failedAt = time.Now()
}

// takesOver reports whether jobs of other gateways may be claimed whose leases have
// ended.
func (o *owned) takesOver(lease time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failedAt.IsZero() || time.Since(o.failedAt) > lease
}

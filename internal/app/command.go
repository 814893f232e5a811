// Package app is the program: its commands and settings, the HTTP server, what
// runs beside it, start and stop. It connects all other packages.
//
// A start reads, in this order: command.go (the command line), settings.go and
// validation.go, serve.go (the command), wiring.go (what is built from what),
// http.go (routes). A stop is in drain.go.
package app

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/alecthomas/kong"

	"alphacruncher.com/datahub-gateway/internal/postgres"
)

// commands are the program's commands, one file each, and the settings that all
// of them share.
type commands struct {
	Serve              serveCommand              `cmd:"" default:"withargs" help:"Serve the API. The default command."`
	Migrate            migrateCommand            `cmd:"" help:"Bring the schema of the database at DATABASE_URL up to date."`
	Seed               seedCommand               `cmd:"" help:"Load the demo world into DATABASE_URL (development only)."`
	CreateOrganization createOrganizationCommand `cmd:"" help:"Create an organization with its first manager: the first step of an installation."`
	CreateSpace        createSpaceCommand        `cmd:"" help:"Create a space with an administrator, and its organization where there is none."`
	ExportAccount      exportAccountCommand      `cmd:"" help:"Print everything that is kept about a person, as JSON."`
	MergeAccounts      mergeAccountsCommand      `cmd:"" help:"Make two accounts of one person one. As the owner of the tables."`
	EraseAccount       eraseAccountCommand       `cmd:"" help:"Erase what is kept about a person; the trail keeps a pseudonym. As the owner of the tables."`
	Token              tokenCommand              `cmd:"" help:"Print a token for a person (development only)."`
	Schema             schemaCommand             `cmd:"" help:"Print the GraphQL schema."`

	Settings `group:"Settings:"`
}

// terminal is where a command prints.
type terminal struct{ out, err io.Writer }

// The program's exit codes.
const (
	exitOK      = 0
	exitFailure = 1 // the command failed
	exitUsage   = 2 // the command line or a setting is wrong
)

// Main runs a command line until the command is done or ctx ends, and returns the
// program's exit code. What is wrong it prints to err, in one line.
func Main(ctx context.Context, args []string, out, err io.Writer) int {
	var c commands
	exit, exited := exitOK, false // kong exits by itself after --help
	parser := kong.Must(&c,
		kong.Name("datahub-gateway"),
		kong.Description("The GraphQL API of DataHub: invites people to instances, and restores deleted instances."),
		variables(),
		kong.Writers(out, err),
		kong.Exit(func(code int) { exit, exited = code, true }),
		kong.ConfigureHelp(kong.HelpOptions{FlagsLast: true}),
		kong.ValueFormatter(describe),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(terminal{out, err}),
	)
	command, failure := parser.Parse(args)
	if exited {
		return exit
	}
	if failure != nil {
		fmt.Fprintln(err, "datahub-gateway:", oneLine(nameSettings(parser.Model, failure)))
		return exitUsage
	}
	if failure := command.Run(&c.Settings); failure != nil {
		fmt.Fprintln(err, "datahub-gateway:", oneLine(failure.Error()))
		return exitFailure
	}
	return exitOK
}

// describe returns the help of a flag: its meaning, its bounds and unit, and its
// environment variable. kong prints the default.
func describe(value *kong.Value) string {
	described := *value
	if value.Tag.Has("min") {
		described.Help += " " + strings.TrimSpace(fmt.Sprintf("%s to %s %s", value.Tag.Get("min"), value.Tag.Get("max"), value.Tag.Get("unit"))) + "."
	}
	return kong.DefaultHelpValueFormatter(&described)
}

// nameSettings returns the text of an error in which every flag is preceded by
// its environment variable.
func nameSettings(model *kong.Application, err error) string {
	text := err.Error()
	for _, flag := range model.Flags {
		for _, env := range flag.Envs {
			text = strings.Replace(text, "--"+flag.Name+":", env+" (--"+flag.Name+"):", 1)
		}
	}
	return text
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// withDatabase calls do with the database at DATABASE_URL. It fails where the
// database's schema does not fit this program.
func withDatabase(ctx context.Context, s *Settings, do func(*postgres.DB) error) error {
	if err := checkSchema(ctx, &s.DatabaseSettings); err != nil {
		return err
	}
	db, err := openDatabase(&s.DatabaseSettings, postgres.Options{WholeTables: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

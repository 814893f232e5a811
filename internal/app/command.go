// Package app is the program: its commands and settings, the HTTP server,
// start and stop. It is the one place where everything meets.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/vektah/gqlparser/v2/formatter"

	"alphacruncher.com/datahub-gateway/graph"
	"alphacruncher.com/datahub-gateway/internal/address"
	"alphacruncher.com/datahub-gateway/internal/demo"
	"alphacruncher.com/datahub-gateway/internal/postgres"
	"alphacruncher.com/datahub-gateway/internal/space"
)

type commands struct {
	Serve       serveCommand       `cmd:"" default:"withargs" help:"Serve the API. This is what happens without a command."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the schema of the database at DATABASE_URL up to date."`
	Seed        seedCommand        `cmd:"" help:"Load the demo world into DATABASE_URL (development only)."`
	CreateSpace createSpaceCommand `cmd:"" help:"Make the first organization, space and administrator of an installation."`
	Token       tokenCommand       `cmd:"" help:"Print a token for a person (development only)."`
	Schema      schemaCommand      `cmd:"" help:"Print the GraphQL schema."`

	Settings `group:"Settings:"`
}

// terminal is where a command prints.
type terminal struct{ out, err io.Writer }

// Main carries out a command line until it is done or ctx ends, and gives the
// program's exit code: 0, 1 for a failure, 2 for what cannot be understood.
func Main(ctx context.Context, args []string, out, err io.Writer) int {
	var c commands
	exit, exited := 0, false
	parser := kong.Must(&c,
		kong.Name("datahub-gateway"),
		kong.Description("Brings people into the instances of DataHub, and deleted instances back."),
		kong.Vars{"data_dir": defaultDataDir()},
		kong.Writers(out, err),
		kong.Exit(func(code int) { exit, exited = code, true }),
		kong.ConfigureHelp(kong.HelpOptions{FlagsLast: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(terminal{out, err}),
	)
	command, failure := parser.Parse(args)
	if exited {
		return exit
	}
	if failure != nil {
		fmt.Fprintln(err, "datahub-gateway:", oneLine(nameSettings(parser.Model, failure)))
		return 2
	}
	if failure := command.Run(&c.Settings); failure != nil {
		fmt.Fprintln(err, "datahub-gateway:", oneLine(failure.Error()))
		return 1
	}
	return 0
}

// nameSettings puts the names of settings beside the flags that an error
// names.
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

type migrateCommand struct{}

func (migrateCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.database(); err != nil {
		return err
	}
	applied, err := postgres.Migrate(ctx, s.DatabaseURL, s.DatabaseRole)
	if errors.Is(err, postgres.ErrRole) {
		return setting("DATAHUB_DATABASE_ROLE", err)
	}
	if err != nil {
		return setting("DATABASE_URL", err)
	}
	fmt.Fprintf(t.out, "%d migrations applied; the schema is up to date.\n", applied)
	return nil
}

type seedCommand struct{}

func (seedCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := errors.Join(s.database(), s.developing()); err != nil {
		return err
	}
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		if err := demo.Load(ctx, db); err != nil {
			return err
		}
		fmt.Fprintln(t.out, "The demo world is loaded.")
		return nil
	})
}

type createSpaceCommand struct {
	Organization  string `required:"" placeholder:"NAME" help:"The organization; made where there is none of this name."`
	Name          string `required:"" placeholder:"NAME" help:"The space; made where the organization has none of this name."`
	Administrator string `required:"" placeholder:"EMAIL" help:"The address of the person who becomes an administrator of the space."`
}

func (c createSpaceCommand) Run(ctx context.Context, t terminal, s *Settings) error {
	if err := s.database(); err != nil {
		return err
	}
	administrator, problem := address.Parse(c.Administrator)
	if problem != nil {
		return fmt.Errorf("--administrator: %s", problem.Detail)
	}
	return withDatabase(ctx, s, func(db *postgres.DB) error {
		id, made, err := space.Provision(ctx, db, space.ProvisionInput{Organization: c.Organization, Name: c.Name, Administrator: administrator})
		if err != nil {
			return err
		}
		was := "was there already"
		if made {
			was = "is made"
		}
		fmt.Fprintf(t.out, "The space %s of %s %s (%s); %s is an administrator.\n", c.Name, c.Organization, was, id, administrator)
		return nil
	})
}

type tokenCommand struct {
	Email  string `arg:"" help:"The person's e-mail address."`
	Locale string `placeholder:"LANGUAGE" help:"The language that the person reads, such as de."`
}

func (c tokenCommand) Run(t terminal, s *Settings) error {
	if err := s.developing(); err != nil {
		return err
	}
	email, problem := address.Parse(c.Email)
	if problem != nil {
		return fmt.Errorf("%q is no e-mail address: %s", c.Email, problem.Detail)
	}
	if err := s.makeDataDir(); err != nil {
		return err
	}
	key, err := s.developmentKey()
	if err != nil {
		return err
	}
	signed, err := key.Sign(email, c.Locale)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, signed)
	return nil
}

type schemaCommand struct{}

func (schemaCommand) Run(t terminal) error {
	_, err := io.WriteString(t.out, schemaText())
	return err
}

// schemaText is the schema as SDL.
func schemaText() string {
	var b strings.Builder
	formatter.NewFormatter(&b, formatter.WithIndent("  ")).FormatSchema(graph.NewExecutableSchema(graph.Config{}).Schema())
	return b.String()
}

// withDatabase works on the database at DATABASE_URL, if its schema is one
// that this program knows.
func withDatabase(ctx context.Context, s *Settings, do func(*postgres.DB) error) error {
	if err := s.checkSchema(ctx); err != nil {
		return err
	}
	db, err := s.openDatabase(nil)
	if err != nil {
		return err
	}
	defer db.Close()
	return do(db)
}

func (s *Settings) checkSchema(ctx context.Context) error {
	if err := postgres.CheckSchema(ctx, s.DatabaseURL); err != nil {
		return setting("DATABASE_URL", err)
	}
	return nil
}

// openDatabase opens the pool; told is told of every statement.
func (s *Settings) openDatabase(told func(context.Context, string) func(error)) (*postgres.DB, error) {
	db, err := postgres.Open(s.DatabaseURL, postgres.Options{
		MaxConnections:   s.DatabaseConnections,
		StatementTimeout: s.StatementTimeout,
		Statement:        told,
	})
	if err != nil {
		return nil, setting("DATABASE_URL", err)
	}
	return db, nil
}

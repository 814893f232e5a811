package postgrestest

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"
	"sync"
)

func TestMeasure(t *testing.T) {
	begin := time.Now()
	s := &server{migrate: func(ctx context.Context, dsn string) error {
		db, _ := sql.Open("postgres", dsn)
		defer db.Close()
		for i := range 20 {
			if _, err := db.Exec(fmt.Sprintf("create table t%d (id uuid primary key, a text unique, b text, c timestamptz default now()); create index on t%d (b); insert into t%d select gen_random_uuid(), n, n from generate_series(1,50) n", i, i, i)); err != nil { return err }
		}
		return nil
	}}
	if err := s.start(); err != nil { t.Fatal(err) }
	fmt.Println("start", time.Since(begin))
	defer s.stop()
	total := map[string]time.Duration{}
	for i := range 8 {
	for _, strategy := range []string{"WAL_LOG", "FILE_COPY"} {
	for _, limit := range []int{1, 2, 4} {
		s.admin.SetMaxOpenConns(limit)
		b := time.Now()
		var wg sync.WaitGroup
		for w := range 8 { wg.Go(func() {
				n := fmt.Sprintf("m%d_%d", i, w)
				if _, err := s.admin.Exec("CREATE DATABASE "+n+" TEMPLATE template STRATEGY "+strategy); err != nil { t.Error(err) }
				db, _ := sql.Open("postgres", s.postgres.DSN(n))
				db.Exec("insert into t1 select gen_random_uuid(), -n, n from generate_series(1,500) n")
				db.Close()
				if _, err := s.admin.Exec("DROP DATABASE "+n+" WITH (FORCE)"); err != nil { t.Error(err) }
		}) }
		wg.Wait()
		total[fmt.Sprint(strategy, limit)] += time.Since(b)
	}}}
	for k, v := range total { fmt.Println(k, v/64) }
}

package outbox

import "context"

// ExplainClaim claims jobs and returns PostgreSQL's account of it as JSON (EXPLAIN).
func (q *Queue) ExplainClaim(ctx context.Context) (account []byte, err error) {
	err = q.DB.Get(ctx, &account, explain+claimQuery, q.Kind, q.lease().Seconds(), true)
	return account, err
}

// ExplainSent stores that jobs succeeded, and returns PostgreSQL's account of it as JSON.
func (q *Queue) ExplainSent(ctx context.Context, jobs []Job) (account []byte, err error) {
	results := make([]result, len(jobs))
	for i := range jobs {
		results[i].i = i
	}
	err = q.DB.Get(ctx, &account, explain+completeQuery, completeArguments(jobs, ids(jobs), make([]int, len(jobs)), results)...)
	return account, err
}

const explain = `explain (analyze, wal, format json) `

package otlp

import (
	"context"
	"errors"
	"strings"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/trace"
)

// statements makes a span of each statement, named like its query; the text is recorded and its parameters are not. What
// else otelpgx could trace (connections, preparations) is within them.
type statements struct{ each *otelpgx.Tracer }

var _ pgx.QueryTracer = statements{}

func newStatements(p trace.TracerProvider) statements {
	return statements{otelpgx.NewTracer(otelpgx.WithTracerProvider(p), otelpgx.WithSpanNameFunc(queryName),
		otelpgx.WithDisableConnectionDetailsInAttributes())}
}

// queryName is what sqlc's comment says; of other statements (begin, commit) it is their first word.
func queryName(statement string) string {
	words := strings.Fields(statement[:min(len(statement), 200)])
	switch {
	case len(words) > 2 && words[0] == "--" && words[1] == "name:":
		return words[2]
	case len(words) > 0:
		return strings.ToLower(strings.TrimRight(words[0], ";"))
	}
	return "statement"
}

// TraceQueryStart begins a span if the context has one that is recorded.
func (s statements) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return s.each.TraceQueryStart(ctx, conn, data)
}

// TraceQueryEnd keeps values out of the span: some errors show the one that the statement failed on.
func (s statements) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	data.Err = withoutValues(data.Err)
	s.each.TraceQueryEnd(ctx, conn, data)
}

var errStatement = errors.New("the statement failed")

func withoutValues(err error) error {
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, pgx.ErrNoRows), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.As(err, &pg):
		return &pgconn.PgError{Severity: pg.Severity, Code: pg.Code, Message: "the statement failed", ConstraintName: pg.ConstraintName}
	}
	return errStatement
}

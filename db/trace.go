package db

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// startSpan begins the span of a transaction below a request that is traced; otherwise it is nil.
func startSpan(ctx context.Context) (context.Context, trace.Span) {
	above := trace.SpanFromContext(ctx)
	if !above.IsRecording() {
		return ctx, nil
	}
	return above.TracerProvider().Tracer("github.com/xivo-auth/xivo-auth/db").Start(ctx, "transaction")
}

func endSpan(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.SetAttributes(attribute.Bool("rolled_back", true))
	}
	span.End()
}

// spannedTx puts its statements below the transaction's span, whatever context they are called with.
type spannedTx struct {
	pgx.Tx
	span trace.Span
}

// Exec runs a statement.
func (t spannedTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(trace.ContextWithSpan(ctx, t.span), sql, args...)
}

// Query runs a statement that returns rows.
func (t spannedTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(trace.ContextWithSpan(ctx, t.span), sql, args...)
}

// QueryRow runs a statement that returns a row.
func (t spannedTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.Tx.QueryRow(trace.ContextWithSpan(ctx, t.span), sql, args...)
}

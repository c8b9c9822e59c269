package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/events"
	"github.com/xivo-auth/xivo-auth/events/amqp"
	"github.com/xivo-auth/xivo-auth/outbox"
)

// newPublisher is nil where no bus is configured: nothing was written for one.
func newPublisher(cfg config.Worker, pool *pgxpool.Pool, tracer trace.Tracer, log *slog.Logger, reg prometheus.Registerer) (*outbox.Publisher, error) {
	if !cfg.AMQP.BusEnabled() {
		return nil, nil //nolint:nilnil // no bus is an answer here
	}
	location, err := config.Location(os.Getenv("TZ"))
	if err != nil {
		return nil, fmt.Errorf("TZ: %w", err)
	}
	return outbox.NewPublisher(outbox.PublisherOptions{Pool: pool, URI: cfg.DSN(), Log: log, Metrics: outbox.NewEventMetrics(reg), Tracer: tracer,
		Origin: events.Origin{UUID: cfg.UUID, Location: location},
		Bus: bus{amqp.New(amqp.Options{URI: cfg.AMQP.URI.Reveal(), Exchange: cfg.AMQP.ExchangeName, ExchangeType: cfg.AMQP.ExchangeType,
			Name: "xivo-auth worker"})}}), nil
}

// bus hands what the publisher reads to RabbitMQ.
type bus struct{ rabbit *amqp.Bus }

var _ outbox.Bus = bus{}

func (b bus) Connect(ctx context.Context) (outbox.BusConnection, error) {
	c, err := b.rabbit.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

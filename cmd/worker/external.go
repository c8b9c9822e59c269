package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/xivo-auth/xivo-auth/config"
	"github.com/xivo-auth/xivo-auth/external"
	"github.com/xivo-auth/xivo-auth/outbox"
	"github.com/xivo-auth/xivo-auth/process"
	"github.com/xivo-auth/xivo-auth/sources"
	"github.com/xivo-auth/xivo-auth/workflows"
)

// consents wires the wait for users' consents; close stops the plug-ins that have a part in it. Without sealing keys the
// worker does the rest of its work.
func consents(ctx context.Context, cfg config.Worker, pool *pgxpool.Pool, wake func(), log *slog.Logger, reg prometheus.Registerer) (s *external.Service, end func(), err error) {
	plugins, err := sources.LoadExternal(ctx, cfg, log, reg)
	if err != nil {
		return nil, nil, err
	}
	d := sources.External(cfg.External, plugins, log)
	d.Pool, d.Events, d.Wake = pool, outbox.NewEvents(cfg.AMQP.BusEnabled()), wake
	if keys, err := process.Keyring(cfg.Sealing, cfg.StateDir, log); err == nil {
		d.Sealer = keys
	} else {
		log.Error("there are no sealing keys: no consent of a user at another service can be received", "error", err)
		d.Sealer = noKeys{}
	}
	return external.New(d), func() {
		closing, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := plugins.Close(closing); err != nil {
			log.Error("plug-ins could not be stopped in time", "error", err)
		}
	}, nil
}

// noKeys opens and closes nothing.
type noKeys struct{}

func (noKeys) Seal(_, _ []byte) (sealed []byte, keyID string, err error) { return nil, "", errNoKeys }

func (noKeys) Open([]byte, string, []byte) ([]byte, error) { return nil, errNoKeys }

var errNoKeys = errors.New("this worker has no sealing keys")

// consentSink hands what the relay delivers to Temporal.
type consentSink struct{ client *workflows.Client }

var _ outbox.Consents = consentSink{}

func (s consentSink) StartConsent(ctx context.Context, c outbox.Consent) error {
	return away(s.client.StartConsent(ctx, workflows.ConsentInput{ConsentUUID: c.UUID.String(), UserUUID: c.User.String(), TenantUUID: c.Tenant.String(),
		Type: c.Type, Deadline: c.Deadline}))
}

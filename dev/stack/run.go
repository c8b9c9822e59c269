package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/xivo-auth/xivo-auth/dev/postgres"
	"github.com/xivo-auth/xivo-auth/dev/supervise"
	"github.com/xivo-auth/xivo-auth/dev/temporal"
)

const appDatabase = "xivo_auth"

// running is what has to be stopped, in the order of its fields.
type running struct {
	apis, workers []*supervise.Process
	broker        *supervise.Process
	temporal      *temporal.Server
	pg            *postgres.Cluster
	pgUp          bool
}

// Run starts the whole stack in the run folder, tells the developer and .run/env about it, and stops it when ctx ends or on
// SIGINT, SIGTERM or SIGHUP. On an error nothing is left running.
func Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	say := say(out)

	apis, err := number("APIS", 1)
	if err != nil {
		return err
	}
	workers, err := number("WORKERS", 0)
	if err != nil {
		return err
	}
	bin, err := findPrograms()
	if err != nil {
		return err
	}
	dir, err := openFolder()
	if err != nil {
		return err
	}
	if err := dir.make(); err != nil {
		return err
	}
	lock, err := dir.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	// Of a run that was killed.
	if err := remove(dir.env()); err != nil {
		return err
	}

	s := &running{}
	f, err := s.start(ctx, dir, bin, apis, workers, say)
	if err == nil {
		err = writeWhole(dir.env(), f.String())
	}
	if err == nil {
		screen(out, f, dir)
		<-ctx.Done()
	}
	interrupted := ctx.Err() != nil
	if s.pgUp {
		say("stopping")
	}
	err = errors.Join(err, remove(dir.env()), s.stop())
	if interrupted {
		// What failed because of the wish to stop is no news.
		say("stopped; `make run` finds the data again")
		return nil
	}
	return err
}

func (s *running) start(ctx context.Context, dir folder, bin string, apis, workers int, say func(string, ...any)) (facts, error) {
	f := facts{Username: firstUser}
	var err error
	if f.Password, err = dir.secret("first-user"); err != nil {
		return f, err
	}
	databasePassword, err := dir.secret("database")
	if err != nil {
		return f, err
	}
	pgBin, err := findPostgres(ctx, say)
	if err != nil {
		return f, err
	}
	s.pg = &postgres.Cluster{Bin: pgBin, Data: dir.postgres(), Log: dir.log("postgres"), Password: databasePassword,
		Settings: []string{maxConnections, "max_wal_size=1GB"}, Say: say}
	if err := s.pg.Prepare(ctx); err != nil {
		return f, err
	}
	conf := temporal.Config{User: postgres.User, Password: databasePassword, Namespace: namespace, Log: dir.log("temporal")}
	var p ports
	apiMembers, workerMembers, err := placeMembers(&p, apis, workers)
	if err != nil {
		return f, err
	}
	if err := placeServers(&p, s.pg, &conf); err != nil {
		return f, err
	}
	broker, err := placeBroker(&p, dir)
	if err != nil {
		return f, err
	}
	conf.Postgres = s.pg.Address()

	say("PostgreSQL (%s) starts; the first time it makes its data folder", pgBin)
	if err := s.pg.Start(ctx); err != nil {
		return f, err
	}
	s.pgUp = true
	if err := s.pg.CreateDatabase(ctx, appDatabase, nil); err != nil {
		return f, err
	}
	say("Temporal with its Web UI starts; the first time it makes its tables")
	if s.temporal, err = startTemporal(ctx, s.pg, conf); err != nil {
		return f, err
	}
	product := programs{bin: bin, dir: dir, databaseURL: s.pg.URL(appDatabase), temporalAddress: s.temporal.Address}
	if broker != nil {
		say("RabbitMQ starts")
		if s.broker, err = startBroker(ctx, *broker, dir, say); err != nil {
			return f, err
		}
		f.AMQPURI, product.amqpURI = broker.URI(), broker.URI()
	}
	f.DatabaseURL, f.DatabaseAddress = product.databaseURL, s.pg.Address()
	f.TemporalAddress, f.TemporalUIURL = s.temporal.Address, s.temporal.UIURL
	say("the schema is brought up to date, the first user is made")
	if err := product.setUp(ctx, f.Password); err != nil {
		return f, err
	}
	say("%d api and %d worker processes start", apis, workers)
	return f, s.startMembers(ctx, product, apiMembers, workerMembers, &f, say)
}

// startMembers starts the first api alone, since it may have to make the sealing key that the others share, then the rest.
func (s *running) startMembers(ctx context.Context, product programs, apis, workers []member, f *facts, say func(string, ...any)) error {
	for i, m := range apis {
		process := product.start(m, say)
		s.apis = append(s.apis, process)
		f.URLs, f.InternalURLs = append(f.URLs, m.url()), append(f.InternalURLs, m.health())
		if i > 0 {
			continue
		}
		if err := product.ready(ctx, m, process); err != nil {
			return err
		}
	}
	for _, m := range workers {
		s.workers = append(s.workers, product.start(m, say))
		f.InternalURLs = append(f.InternalURLs, m.health())
	}
	for i, process := range slices.Concat(s.apis, s.workers) {
		if err := product.ready(ctx, slices.Concat(apis, workers)[i], process); err != nil {
			return err
		}
	}
	return nil
}

// stop ends api, worker, RabbitMQ, Temporal and PostgreSQL, in this order, each when the ones before are gone.
func (s *running) stop() error {
	stopAll(s.apis)
	stopAll(s.workers)
	if s.broker != nil {
		s.broker.Stop()
	}
	var err error
	if s.temporal != nil {
		err = s.temporal.Stop()
	}
	if s.pgUp {
		s.pg.Stop()
	}
	return err
}

func stopAll(processes []*supervise.Process) {
	var wg sync.WaitGroup
	for _, p := range processes {
		wg.Go(p.Stop)
	}
	wg.Wait()
}

// AddWorker turns this process into one more worker of the running stack, with its log on the terminal.
func AddWorker(out io.Writer) error {
	dir, err := openFolder()
	if err != nil {
		return err
	}
	known, err := readFacts(dir.env())
	if runs, lockErr := dir.runs(); lockErr != nil || !runs || err != nil {
		return errors.Join(fmt.Errorf("no stack runs in %s: start it with `make run` and wait for its screen", dir), lockErr)
	}
	bin, err := findPrograms()
	if err != nil {
		return err
	}
	var p ports
	internal, err := p.free()
	if err != nil {
		return err
	}
	product := programs{bin: bin, dir: dir, databaseURL: known["DATABASE_URL"], temporalAddress: known["TEMPORAL_ADDRESS"], amqpURI: known["AMQP_URI"]}
	m := member{name: "worker", internal: internal}
	fmt.Fprintf(out, "one more worker, health and metrics at %s; Ctrl-C ends it\n", m.health())
	path := bin + "/worker"
	env := product.environment(fmt.Sprintf("XIVO_AUTH_INTERNAL_PORT=%d", internal))
	return fmt.Errorf("%s: %w", path, syscall.Exec(path, []string{"worker"}, env))
}

// Reset removes the data of a stack that does not run.
func Reset(out io.Writer) error {
	dir, err := openFolder()
	if err != nil {
		return err
	}
	if _, err := os.Stat(string(dir)); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(out, "nothing to remove in %s\n", dir)
		return nil
	}
	if !dir.ours() {
		return fmt.Errorf("%s is not the folder of a stack: nothing removed", dir)
	}
	lock, err := dir.lock()
	if err != nil {
		return fmt.Errorf("nothing removed: %w", err)
	}
	defer lock.Close()
	// A killed stack's PostgreSQL may still be leaving.
	pg := &postgres.Cluster{Data: dir.postgres(), Say: say(out)}
	if err := pg.EndOrphan(context.Background()); err != nil {
		return err
	}
	for _, path := range []string{postgres.Elsewhere(dir.postgres()), postgres.Elsewhere(dir.postgres()) + ".new", string(dir)} {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "%s is gone\n", dir)
	return nil
}

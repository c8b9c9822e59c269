package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"github.com/xivo-auth/xivo-auth/dev/postgres"
	"github.com/xivo-auth/xivo-auth/dev/temporal"
)

// ExitError carries the exit code of a command on.
type ExitError struct{ Code int }

func (e *ExitError) Error() string { return fmt.Sprintf("the command ended with %d", e.Code) }

const maxConnections = "max_connections=300"

// quick is for data that nobody will miss.
var quick = []string{maxConnections, "fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=128MB", "max_wal_size=1GB",
	"checkpoint_timeout=30min", "autovacuum_naptime=10s"}

// durable is what a server of production would have, as far as a small machine allows.
var durable = []string{maxConnections, "fsync=on", "synchronous_commit=on", "full_page_writes=on", "shared_buffers=512MB", "effective_cache_size=1GB",
	"max_wal_size=4GB", "checkpoint_timeout=15min", "wal_compression=on", "random_page_cost=1.1"}

// Exec runs a command beside a fresh PostgreSQL and Temporal on free ports, then throws both away. The command's exit code
// comes back as an *ExitError. It finds the servers in XIVO_AUTH_TEST_DATABASE_URL (superuser, maintenance database),
// XIVO_AUTH_TEST_TEMPORAL_ADDRESS, XIVO_AUTH_TEST_TEMPORAL_UI_URL, XIVO_AUTH_TEST_PG_PID (at the start; a restarted server
// has another: XIVO_AUTH_TEST_PG_PID_FILE) and XIVO_AUTH_TEST_PG_SOCKETS. XIVO_AUTH_TEST_DEV is this program, for tests that need a RabbitMQ
// of their own.
func Exec(ctx context.Context, command []string, production bool, keepLogs string) (err error) {
	if len(command) == 0 {
		return errors.New("exec: no command")
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)

	dir, err := os.MkdirTemp("", "xivo-auth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	// PostgreSQL may have to run as somebody else; its data folder itself is closed.
	if err := os.Chmod(dir, 0o711); err != nil {
		return err
	}
	logs := dir
	if keepLogs != "" {
		logs = keepLogs
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return err
		}
	}
	starting, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan os.Signal, 1)
	begun := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case s := <-signals:
			got <- s
			cancel()
		case <-begun:
		}
	}()
	s, err := ephemeral(starting, dir, logs, production)
	close(begun)
	<-watched
	if err == nil {
		defer s.stop()
	}
	select {
	case sig := <-got:
		return &ExitError{128 + int(sig.(syscall.Signal))}
	default:
	}
	if err != nil {
		return err
	}
	return s.command(command, signals)
}

type testStack struct {
	pg       *postgres.Cluster
	temporal *temporal.Server
}

func ephemeral(ctx context.Context, dir, logs string, production bool) (*testStack, error) {
	bin, err := findPostgres(ctx, say(os.Stderr))
	if err != nil {
		return nil, err
	}
	settings := quick
	if production {
		settings = durable
	}
	pg := &postgres.Cluster{Bin: bin, Data: filepath.Join(dir, "pg"), Log: filepath.Join(logs, "postgres.log"), Settings: settings, Say: say(os.Stderr)}
	conf := temporal.Config{Namespace: namespace, User: postgres.User, Log: filepath.Join(logs, "temporal.log"), Production: production}
	var p ports
	if err := p.fill(&pg.Port, &conf.Port, &conf.UIPort, &conf.Internal[0], &conf.Internal[1], &conf.Internal[2], &conf.Internal[3]); err != nil {
		return nil, err
	}
	conf.Postgres = pg.Address()
	if err := pg.Start(ctx); err != nil {
		return nil, err
	}
	server, err := startTemporal(ctx, pg, conf)
	if err != nil {
		pg.Stop()
		return nil, err
	}
	return &testStack{pg, server}, nil
}

func startTemporal(ctx context.Context, pg *postgres.Cluster, conf temporal.Config) (*temporal.Server, error) {
	for _, name := range temporal.Databases {
		if err := pg.CreateDatabase(ctx, name, func() error { return conf.Migrate(name) }); err != nil {
			return nil, err
		}
	}
	return temporal.Start(ctx, conf)
}

func (s *testStack) stop() {
	if err := s.temporal.Stop(); err != nil {
		say(os.Stderr)("%v", err)
	}
	s.pg.Stop()
	// It may lie outside of the folder that goes away anyhow.
	if err := os.RemoveAll(s.pg.Data); err != nil {
		say(os.Stderr)("%v", err)
	}
}

// command runs the command in this process's group, as a shell would: Ctrl-C reaches it directly, SIGTERM is passed on.
func (s *testStack) command(command []string, signals <-chan os.Signal) error {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd.Env = append(os.Environ(),
		"XIVO_AUTH_TEST_DEV="+self,
		"XIVO_AUTH_TEST_DATABASE_URL="+s.pg.URL("postgres"),
		"XIVO_AUTH_TEST_TEMPORAL_ADDRESS="+s.temporal.Address,
		"XIVO_AUTH_TEST_TEMPORAL_UI_URL="+s.temporal.UIURL,
		"XIVO_AUTH_TEST_PG_PID="+strconv.Itoa(s.pg.PID()),
		"XIVO_AUTH_TEST_PG_PID_FILE="+s.pg.PIDFile(),
		"XIVO_AUTH_TEST_PG_SOCKETS="+s.pg.Sockets())
	cmd.SysProcAttr = withParent()
	ended := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			err = cmd.Wait()
		}
		ended <- err
	}()
	for {
		select {
		case sig := <-signals:
			if sig == syscall.SIGTERM && cmd.Process != nil {
				_ = cmd.Process.Signal(sig)
			}
		case err := <-ended:
			return exitCode(err)
		}
	}
}

func exitCode(err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return &ExitError{128 + int(status.Signal())}
	}
	return &ExitError{exit.ExitCode()}
}

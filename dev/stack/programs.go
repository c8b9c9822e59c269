package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/xivo-auth/xivo-auth/dev/supervise"
)

const firstUser = "admin"

// programs knows where the product's binaries are and what they must be told.
type programs struct {
	bin             string
	dir             folder
	databaseURL     string
	temporalAddress string
	amqpURI         string // empty without a broker of the stack
}

// findPrograms is XIVO_AUTH_BIN_DIR, or where this program is.
func findPrograms() (string, error) {
	dir := os.Getenv("XIVO_AUTH_BIN_DIR")
	if dir == "" {
		self, err := os.Executable()
		if err != nil {
			return "", err
		}
		dir = filepath.Dir(self)
	}
	for _, name := range []string{"api", "worker", "xivo-auth"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s is not built: start this through `make run`, or name the folder of the programs in XIVO_AUTH_BIN_DIR: %w", name, err)
		}
	}
	return dir, nil
}

// environment is this process's own (so that XIVO_AUTH_* settings can be given to `make run`), without what is meant for
// dev, and with the addresses of the stack.
func (p programs) environment(more ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "XIVO_AUTH_RUN_DIR", "XIVO_AUTH_BIN_DIR", "XIVO_AUTH_PG_BIN", "XIVO_AUTH_PG_AS", "XIVO_AUTH_BOOTSTRAP_USER_PASSWORD":
		default:
			env = append(env, kv)
		}
	}
	if p.amqpURI != "" {
		env = append(env, "XIVO_AUTH_AMQP_URI="+p.amqpURI)
	}
	return append(append(env,
		"XIVO_AUTH_DB_URI="+p.databaseURL,
		"XIVO_AUTH_TEMPORAL_ADDRESS="+p.temporalAddress,
		"XIVO_AUTH_TEMPORAL_NAMESPACE="+namespace,
		"XIVO_AUTH_STATE_DIR="+p.dir.state(),
		"XIVO_AUTH_LOG_FORMAT=json",
		"XIVO_AUTH_INTERNAL_LISTEN=127.0.0.1"), more...)
}

// setUp brings the schema up to date and makes the first user; both do nothing where it is done.
func (p programs) setUp(ctx context.Context, password string) error {
	if err := p.once(ctx, nil, "migrate"); err != nil {
		return err
	}
	return p.once(ctx, []string{"XIVO_AUTH_BOOTSTRAP_USER_USERNAME=" + firstUser, "XIVO_AUTH_BOOTSTRAP_USER_PASSWORD=" + password},
		"bootstrap", "initial-user")
}

func (p programs) once(ctx context.Context, more []string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "xivo-auth"), args...)
	var out bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = p.environment(more...), &out, &out
	err := cmd.Run()
	if err != nil {
		return fmt.Errorf("xivo-auth %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return os.WriteFile(p.dir.log("setup-"+args[0]), out.Bytes(), 0o600)
}

// start puts one process under supervision.
func (p programs) start(m member, say func(string, ...any)) *supervise.Process {
	kind, _, _ := strings.Cut(m.name, "-")
	env := []string{fmt.Sprintf("XIVO_AUTH_INTERNAL_PORT=%d", m.internal)}
	if m.port != 0 {
		env = append(env, "XIVO_AUTH_REST_API_LISTEN=127.0.0.1", fmt.Sprintf("XIVO_AUTH_REST_API_PORT=%d", m.port))
	}
	return supervise.Start(supervise.Program{Name: m.name, Path: filepath.Join(p.bin, kind), Env: p.environment(env...), Log: p.dir.log(m.name)}, say)
}

// ready waits until a process serves; one that dies three times before is given up, with the end of its log.
func (p programs) ready(ctx context.Context, m member, process *supervise.Process) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		err := m.probe(ctx)
		if err == nil {
			return nil
		}
		log := p.dir.log(m.name)
		if n, cause := process.Deaths(); n >= 3 {
			return fmt.Errorf("%s does not start: %w; the end of %s:\n%s", m.name, cause, log, supervise.Tail(log, 8))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not get ready: %w; the end of %s:\n%s", m.name, errors.Join(ctx.Err(), err), log, supervise.Tail(log, 8))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (m member) url() string    { return fmt.Sprintf("http://127.0.0.1:%d", m.port) }
func (m member) health() string { return fmt.Sprintf("http://127.0.0.1:%d", m.internal) }

func (m member) probe(ctx context.Context) error {
	if err := answers(ctx, http.MethodGet, m.health()+"/readyz"); err != nil {
		return err
	}
	if m.port == 0 {
		return nil
	}
	return answers(ctx, http.MethodHead, m.url()+"/0.1/status")
}

func answers(ctx context.Context, method, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", method, url, res.Status)
	}
	return nil
}

package stack

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Programs starts the programs that are measured.
type Programs struct {
	// Bin is the folder of api and worker, Dir where their logs and state go.
	Bin, Dir string
	// TemporalAddress is the server of the workers.
	TemporalAddress string
	// Settings are further variables, as KEY=value, on top of the defaults of production.
	Settings []string
}

// Server is a program that serves HTTP on Address.
type Server struct {
	*Process
	Address string
}

// API starts the API on a database and waits until it answers.
func (p Programs) API(ctx context.Context, db Database) (*Server, error) {
	s, err := p.LaunchAPI(ctx, db)
	if err != nil {
		return nil, err
	}
	return s, p.awaitHTTP(ctx, s, "/0.1/status")
}

// LaunchAPI starts the API without waiting for it.
func (p Programs) LaunchAPI(ctx context.Context, db Database) (*Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	env, err := p.environ(db, "XIVO_AUTH_REST_API_PORT="+port)
	if err != nil {
		return nil, err
	}
	process, err := start("api", filepath.Join(p.Dir, "api-"+db.Name+".log"), env, filepath.Join(p.Bin, "api"))
	if err != nil {
		return nil, err
	}
	return &Server{process, address}, nil
}

// Worker starts the worker on a database; Address is its internal port. Whether it works already is the caller's to find
// out: it answers before Temporal does.
func (p Programs) Worker(ctx context.Context, db Database) (*Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	env, err := p.environ(db, "XIVO_AUTH_TEMPORAL_ADDRESS="+p.TemporalAddress, "XIVO_AUTH_INTERNAL_PORT="+port)
	if err != nil {
		return nil, err
	}
	process, err := start("worker", filepath.Join(p.Dir, "worker-"+db.Name+".log"), env, filepath.Join(p.Bin, "worker"))
	if err != nil {
		return nil, err
	}
	s := &Server{process, address}
	return s, p.awaitHTTP(ctx, s, "/readyz")
}

// Baseline starts this very program as one of the servers of package baseline.
func (p Programs) Baseline(ctx context.Context, name string, args ...string) (*Server, error) {
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	process, err := start(name, filepath.Join(p.Dir, name+".log"), minimal(), self, append([]string{name, "-listen", address}, args...)...)
	if err != nil {
		return nil, err
	}
	s := &Server{process, address}
	return s, p.awaitHTTP(ctx, s, "/")
}

// environ is what a program of production finds, on top of its defaults: nothing of this machine's configuration.
func (p Programs) environ(db Database, more ...string) ([]string, error) {
	state, conf := filepath.Join(p.Dir, "state-"+db.Name), filepath.Join(p.Dir, "conf.d")
	for _, dir := range []string{state, conf} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("stack: %w", err)
		}
	}
	empty := filepath.Join(p.Dir, "config.yml")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	env := append(minimal(), "XIVO_AUTH_DB_URI="+db.URI, "XIVO_AUTH_STATE_DIR="+state, "XIVO_AUTH_CONFIG_FILE="+empty,
		"XIVO_AUTH_EXTRA_CONFIG_FILES="+conf, "XIVO_AUTH_INTERNAL_PORT=0")
	return append(append(env, more...), p.Settings...), nil
}

func minimal() []string { return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} }

// awaitHTTP waits for an answer, whatever it says, and stops the program when none comes.
func (p Programs) awaitHTTP(ctx context.Context, s *Server, path string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	err := s.await(ctx, 20*time.Millisecond, func() bool {
		r, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+s.Address+path, nil)
		if err != nil {
			return false
		}
		a, err := client.Do(r)
		if err != nil {
			return false
		}
		_ = a.Body.Close()
		return true
	})
	if err != nil {
		s.Stop()
	}
	return err
}

// Await waits until ready, looking often: for what is measured from the program's start on.
func (s *Server) Await(ctx context.Context, ready func() bool) error {
	return s.await(ctx, time.Millisecond, ready)
}

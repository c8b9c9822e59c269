package postgres

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/xivo-auth/xivo-auth/dev/supervise"
)

// User is the superuser of every cluster made here.
const User = "app"

// longestSocketDir leaves room for "/.s.PGSQL.65535" in the 104 bytes that the narrowest system has.
const longestSocketDir = 80

// Cluster is one private PostgreSQL that listens on 127.0.0.1.
type Cluster struct {
	Bin  string // folder of the programs
	Data string // made when missing
	Log  string
	Port int
	// Password of User; empty means that everybody on this machine is trusted.
	Password string
	// Settings are "name=value" of postgresql.conf.
	Settings []string
	Say      func(format string, args ...any)

	as      *syscall.SysProcAttr
	sockets string
	tempDir string
	run     *supervise.Process
}

// URL names one database of the cluster.
func (c *Cluster) URL(database string) string {
	u := url.URL{Scheme: "postgresql", User: url.User(User), Host: c.Address(), Path: "/" + database, RawQuery: "sslmode=disable"}
	if c.Password != "" {
		u.User = url.UserPassword(User, c.Password)
	}
	return u.String()
}

// Address is host:port.
func (c *Cluster) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.Port)) }

// Sockets is the folder of the Unix socket, once started.
func (c *Cluster) Sockets() string { return c.sockets }

// PIDFile holds the server's process id in its first line while it runs.
func (c *Cluster) PIDFile() string { return filepath.Join(c.Data, "postmaster.pid") }

// PID is the server's process id, 0 while it is down.
func (c *Cluster) PID() int { return c.run.PID() }

// Prepare settles as whom the server runs and where its data lies, and clears what a killed stack left there. Start does it
// where it was not done.
func (c *Cluster) Prepare(ctx context.Context) error {
	as, err := c.identity(ctx)
	if err != nil {
		return err
	}
	c.as = as
	return c.EndOrphan(ctx)
}

// Start makes the cluster when it does not exist, starts it under supervision and returns when it answers.
func (c *Cluster) Start(ctx context.Context) error {
	if c.as == nil {
		if err := c.Prepare(ctx); err != nil {
			return err
		}
	}
	if err := c.init(ctx, c.as); err != nil {
		return err
	}
	if err := c.chooseSockets(c.as); err != nil {
		return err
	}
	args := []string{"-D", c.Data, "-p", strconv.Itoa(c.Port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + c.sockets, "-c", "unix_socket_permissions=0700"}
	for _, s := range c.Settings {
		args = append(args, "-c", s)
	}
	c.run = supervise.Start(supervise.Program{Name: "PostgreSQL", Path: filepath.Join(c.Bin, "postgres"), Args: args, Env: environment(),
		Dir: c.Data, Attr: c.as, Log: c.Log, StopSignal: syscall.SIGINT, StopTimeout: 30 * time.Second,
		// After a crash of the server its processes may need a moment to leave.
		Before: func() error { return c.EndOrphan(context.Background()) },
	}, c.Say)
	if err := c.wait(ctx); err != nil {
		c.Stop()
		return err
	}
	return nil
}

// Stop ends the server (fast shutdown: open connections are cut) and waits for it.
func (c *Cluster) Stop() {
	if c.run != nil {
		c.run.Stop()
	}
	if c.tempDir != "" {
		_ = os.RemoveAll(c.tempDir)
	}
}

// Elsewhere is where root's data lies when nobody but root can reach the folder named data.
func Elsewhere(data string) string {
	sum := sha256.Sum256([]byte(data))
	return filepath.Join("/var/tmp", fmt.Sprintf("xivo-auth-%x", sum[:6]))
}

// giveTo hands a folder to the server's uid where that is another than ours.
func giveTo(dir string, as *syscall.SysProcAttr) error {
	uid, gid, other := owner(as)
	if !other {
		return nil
	}
	return os.Chown(dir, uid, gid)
}

func environment() []string { return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"} }

// init makes the data folder beside its place and moves it there when it is whole, so that a killed initdb leaves nothing
// that looks like a cluster.
func (c *Cluster) init(ctx context.Context, attr *syscall.SysProcAttr) error {
	entries, err := os.ReadDir(c.Data)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return c.sameVersion(ctx)
	}
	next := c.Data + ".new"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return err
	}
	if err := giveTo(next, attr); err != nil {
		return err
	}
	if err := c.initdb(ctx, next, attr); err != nil {
		return err
	}
	// It is empty; os.Rename does not replace a folder.
	if err := os.Remove(c.Data); err != nil {
		return err
	}
	return os.Rename(next, c.Data)
}

func (c *Cluster) initdb(ctx context.Context, data string, attr *syscall.SysProcAttr) error {
	args := []string{"-D", data, "-U", User, "-E", "UTF8", "--locale=" + locale, "-N"}
	if c.Password == "" {
		args = append(args, "--auth=trust")
	} else {
		// Handed over by a pipe, as /dev/fd/3: no file of it stays behind.
		args = append(args, "--auth=scram-sha-256", "--pwfile=/dev/fd/3")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(c.Bin, "initdb"), args...)
	var out bytes.Buffer
	cmd.Env, cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = environment(), data, attr, &out, &out
	// Asked politely it ends its own children.
	cmd.Cancel, cmd.WaitDelay = func() error { return cmd.Process.Signal(syscall.SIGINT) }, 5*time.Second
	if c.Password != "" {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		defer r.Close()
		if _, err := w.WriteString(c.Password + "\n"); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if uid, gid, other := owner(attr); other {
			if err := r.Chown(uid, gid); err != nil {
				return err
			}
		}
		cmd.ExtraFiles = []*os.File{r}
	}
	if err := supervise.Run(cmd); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// sameVersion refuses data of another major version with the way out.
func (c *Cluster) sameVersion(ctx context.Context) error {
	have, err := os.ReadFile(filepath.Join(c.Data, "PG_VERSION"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(c.Bin, "postgres"), "--version").Output()
	if err != nil {
		return fmt.Errorf("postgres --version: %w", err)
	}
	major := bytes.TrimSpace(have)
	if !bytes.Contains(out, append([]byte(" "), append(major, '.')...)) {
		return fmt.Errorf("the data in %s is of PostgreSQL %s, the programs in %s are %s: `make reset` starts afresh, XIVO_AUTH_PG_BIN names other programs",
			c.Data, major, c.Bin, bytes.TrimSpace(out))
	}
	return nil
}

func (c *Cluster) chooseSockets(attr *syscall.SysProcAttr) error {
	c.sockets = c.Data
	if len(c.Data) <= longestSocketDir {
		return nil
	}
	dir, err := os.MkdirTemp("/tmp", "xivo-auth-pg-")
	if err != nil {
		return err
	}
	c.sockets, c.tempDir = dir, dir
	return giveTo(dir, attr)
}

func (c *Cluster) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	for {
		err := c.ping(ctx)
		if err == nil {
			return nil
		}
		if n, cause := c.run.Deaths(); n >= 3 {
			return fmt.Errorf("PostgreSQL does not start: %w; the end of %s:\n%s", cause, c.Log, supervise.Tail(c.Log, 8))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL does not answer: %w", errors.Join(ctx.Err(), err))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *Cluster) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return conn.Ping(ctx)
}

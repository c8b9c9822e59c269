package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
)

// child is the process of a plug-in, as go-plugin's Runner. It differs from go-plugin's own in that the child dies with us
// (its standard input ends; on Linux the kernel kills it), takes its children along, and inherits no environment: ours
// holds secrets.
type child struct {
	path           string
	cmd            *exec.Cmd
	stdin          *os.File
	stdout, stderr *os.File
	theirs         []*os.File
	// exited is closed when the process is gone; waitErr is set before.
	exited  chan struct{}
	waitErr error

	mu            sync.Mutex
	alive, killed bool
}

// passedOn are the variables of ours that a plug-in gets.
func passedOn() []string {
	var env []string
	for _, k := range []string{"PATH", "HOME", "TZ", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	return env
}

func newChild(path string) (*child, error) {
	c := &child{path: path, exited: make(chan struct{})}
	c.cmd = exec.Command(path) //nolint:noctx // the operator's program; it is stopped by Kill, gently first
	c.cmd.Env = passedOn()
	c.cmd.Dir = filepath.Dir(path)
	c.cmd.SysProcAttr = sysProcAttr()
	var ours []*os.File
	for range 3 {
		r, w, err := os.Pipe()
		if err != nil {
			closeAll(append(ours, c.theirs...))
			return nil, fmt.Errorf("make a pipe: %w", err)
		}
		if len(ours) == 0 { // standard input is the one that we hold the writing end of
			r, w = w, r
		}
		ours, c.theirs = append(ours, r), append(c.theirs, w)
	}
	c.stdin, c.stdout, c.stderr = ours[0], ours[1], ours[2]
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = c.theirs[0], c.theirs[1], c.theirs[2]
	return c, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// discard frees what a child holds that was never started.
func (c *child) discard() {
	if c.cmd.Process == nil {
		closeAll(append(c.theirs, c.stdin, c.stdout, c.stderr))
	}
}

// Start starts the process and a thread that waits for it: the kernel ties the child's life to the thread that made it.
func (c *child) Start(context.Context) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		closeAll(c.theirs)
		if err != nil {
			close(c.exited)
			started <- err
			return
		}
		c.mu.Lock()
		if c.alive = true; c.killed {
			killTree(c.cmd.Process)
		}
		c.mu.Unlock()
		started <- nil
		if awaitExit(c.cmd.Process.Pid) {
			c.mu.Lock()
			c.alive = false
			killTree(c.cmd.Process) // what it started and left behind; its number is still its own
			c.mu.Unlock()
		}
		c.waitErr = c.cmd.Wait()
		c.mu.Lock()
		c.alive = false
		c.mu.Unlock()
		_ = c.stdin.Close()
		close(c.exited)
	}()
	return <-started
}

// Wait waits for the end of the process.
func (c *child) Wait(context.Context) error {
	<-c.exited
	_ = c.stdout.Close()
	_ = c.stderr.Close()
	return c.waitErr
}

// Kill ends the process and its children at once. Killing twice is no error, and one that has not
// started will end right then.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.killed = true; c.alive {
		killTree(c.cmd.Process)
	}
	return nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// Stdout is where the handshake comes from.
func (c *child) Stdout() io.ReadCloser { return c.stdout }

// Stderr is what the plug-in says to operators.
func (c *child) Stderr() io.ReadCloser { return c.stderr }

// Name is the path of the program.
func (c *child) Name() string { return c.path }

// ID is the process number.
func (c *child) ID() string {
	if c.cmd.Process == nil {
		return "never started"
	}
	return strconv.Itoa(c.cmd.Process.Pid)
}

// Diagnose has nothing to add.
func (c *child) Diagnose(context.Context) string { return "" }

// HostToPlugin changes nothing: both are on one machine.
func (c *child) HostToPlugin(network, address string) (pluginNet, pluginAddr string, err error) {
	return network, address, nil
}

// PluginToHost allows this machine only: what a plug-in prints must not make us connect elsewhere.
func (c *child) PluginToHost(network, address string) (hostNet, hostAddr string, err error) {
	switch network {
	case "unix":
		return network, address, nil
	case "tcp":
		host, _, err := net.SplitHostPort(address)
		if err == nil && net.ParseIP(host).IsLoopback() {
			return network, address, nil
		}
	}
	return "", "", errors.New("the plug-in listens neither on a socket nor on a loopback address")
}

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// journal is everything a process ever printed, over all its lives.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// tail is the last complaints and the last other lines, without mere detail: for the output of a test that failed.
func (j *journal) tail() string {
	var complaints, others []string
	for line := range strings.Lines(j.String()) {
		switch {
		case strings.Contains(line, `"level":"DEBUG"`):
		case strings.Contains(line, `"level":"INFO"`):
			others = append(others, line)
		default:
			complaints = append(complaints, line)
		}
	}
	return strings.Join(complaints[max(0, len(complaints)-20):], "") + strings.Join(others[max(0, len(others)-5):], "")
}

// process is an api or a worker. It keeps its addresses over restarts.
type process struct {
	name, path    string
	env           []string
	url, internal string // of the REST interface (api only) and of the internal port
	log           *journal

	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

// start starts the program; the caller waits until it is of use.
func (p *process) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(p.path)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = p.env, p.log, p.log, childAttr()
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the parent-death signal is tied to the thread
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
	}()
	require.NoError(t, <-started)
	p.cmd, p.ended = cmd, ended
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill is kill -9; it returns when the process is gone.
func (p *process) kill() {
	if p.cmd == nil {
		return
	}
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// wait gives the exit code of a process that ends by itself, or after a signal.
func (p *process) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		require.Fail(t, p.name+" did not end", "within %s", within)
	}
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	require.NoError(t, p.err)
	return 0
}

// command runs a program to its end and gives its output and exit code.
func command(t *testing.T, env []string, path string, args ...string) (output string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	require.NoError(t, err)
	return string(out), 0
}

// Ports below the range that outgoing connections take, so that a process or a proxy that stops finds its own free again.
var nextPort = func() *atomic.Int32 {
	var n atomic.Int32
	n.Store(20_000 + rand.Int32N(8_000))
	return &n
}()

func freeAddress(t *testing.T) string {
	t.Helper()
	for range 2000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(nextPort.Add(1))))
		l, err := net.Listen("tcp", address)
		if err == nil {
			require.NoError(t, l.Close())
			return address
		}
	}
	require.Fail(t, "no free port")
	return ""
}

// env is an environment of nothing but what is given: the variables of the tests themselves stay outside.
func env(settings map[string]string) []string {
	var list []string
	for k, v := range settings {
		if !strings.HasPrefix(k, "XIVO_") && k == strings.ToLower(k) {
			k = "XIVO_AUTH_" + strings.ToUpper(strings.ReplaceAll(k, ".", "_"))
		}
		list = append(list, fmt.Sprintf("%s=%s", k, v))
	}
	return list
}

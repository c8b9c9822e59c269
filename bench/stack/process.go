package stack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// startTimeout is how long a program may take until it is ready.
	startTimeout = time.Minute
	stopTimeout  = 15 * time.Second
)

// Process is a running program.
type Process struct {
	PID     int
	name    string
	logFile string
	process *os.Process
	ended   chan struct{}
}

// start runs a program whose output goes to the end of a file.
func start(name, logFile string, environ []string, program string, args ...string) (*Process, error) {
	out, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // in our own folder
	if err != nil {
		return nil, fmt.Errorf("stack: %w", err)
	}
	defer out.Close()                     //nolint:errcheck // the child has its own descriptor
	cmd := exec.Command(program, args...) //nolint:gosec,noctx // our own programs; ended by Stop
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = out, out, environ, withParent()
	p := &Process{name: name, logFile: logFile, ended: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // "parent" means the thread that started it
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // why it ended is in its log
			close(p.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("stack: start %s: %w", name, err)
	}
	p.process, p.PID = cmd.Process, cmd.Process.Pid
	return p, nil
}

// Stop ends the program; one that does not stop by itself is killed.
func (p *Process) Stop() {
	_ = p.process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.process.Kill()
		<-p.ended
	}
}

// await repeats ready until it is true, and fails when the program ends before or takes too long.
func (p *Process) await(ctx context.Context, every time.Duration, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !ready() {
		select {
		case <-p.ended:
			return fmt.Errorf("stack: %s ended: %s", p.name, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("stack: %s is not ready: %w: %s", p.name, ctx.Err(), p.lastWords())
		case <-tick.C:
		}
	}
	return nil
}

func (p *Process) lastWords() string {
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-2000):])
}

// RSS is the resident memory of the program in bytes, and its peak so far.
func (p *Process) RSS() (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, 0, fmt.Errorf("stack: memory of %s: %w", p.name, err)
	}
	if now, err = kib(b, "VmRSS:"); err != nil {
		return 0, 0, err
	}
	peak, err = kib(b, "VmHWM:")
	return now, peak, err
}

func kib(status []byte, field string) (int64, error) {
	for line := range bytes.Lines(status) {
		if rest, ok := bytes.CutPrefix(line, []byte(field)); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(string(rest)), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("stack: %s %w", field, err)
			}
			return n << 10, nil
		}
	}
	return 0, errors.New("stack: /proc has no " + field)
}

// CPU is the processor time that the program has used.
func (p *Process) CPU() (time.Duration, error) { return cpu(p.PID) }

func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("stack: processor time: %w", err)
	}
	// The name in parentheses may hold anything; user and system time are the 12th and 13th field after it.
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	const userTime, systemTime, ticks = 11, 12, 100
	var sum int64
	for _, i := range []int{userTime, systemTime} {
		n, err := strconv.ParseInt(string(f[i]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("stack: processor time: %w", err)
		}
		sum += n
	}
	return time.Duration(sum) * time.Second / ticks, nil
}

// SelfCPU is the processor time of this process.
func SelfCPU() (time.Duration, error) { return cpu(os.Getpid()) }

// CPU is the processor time of all processes of the server that run now.
func (c Cluster) CPU() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, fmt.Errorf("stack: %w", err)
	}
	parent := strconv.Itoa(c.PID)
	var sum time.Duration
	for _, path := range stats {
		b, err := os.ReadFile(path) //nolint:gosec // of the kernel
		if err != nil {
			continue // it has ended
		}
		const parentField = 1 // after the name
		if f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:]); string(f[parentField]) != parent {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if one, err := cpu(pid); err == nil {
			sum += one
		}
	}
	return sum, nil
}

// freeAddress is a loopback address that nobody listens on now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("stack: %w", err)
	}
	defer l.Close() //nolint:errcheck // nothing was accepted
	return l.Addr().String(), nil
}

package supervise

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

const (
	firstPause = 200 * time.Millisecond
	longPause  = 10 * time.Second
	// A program that lived this long is well: its next death starts the back-off anew.
	healthy = 30 * time.Second
	// A log beyond this size is moved aside (one generation) when its program starts.
	maxLog = 16 << 20
)

// Program says how to run one program.
type Program struct {
	Name string // for messages
	Path string
	Args []string
	Env  []string
	Dir  string
	// Attr starts the program; nil means Attr(syscall.SIGKILL).
	Attr *syscall.SysProcAttr
	// Log receives standard output and error, appended.
	Log string
	// StopSignal asks the program to end; SIGTERM when zero. It is killed after StopTimeout (15 seconds when zero).
	StopSignal  syscall.Signal
	StopTimeout time.Duration
	// Before runs ahead of every start; an error counts as a death.
	Before func() error
}

// Process is a supervised program.
type Process struct {
	p    Program
	say  func(format string, args ...any)
	stop chan struct{}
	done chan struct{}
	once sync.Once

	mu     sync.Mutex
	pid    int
	deaths int
	last   error
}

// Start runs p until Stop. say is told of every death that nobody asked for.
func Start(p Program, say func(format string, args ...any)) *Process {
	if p.Attr == nil {
		p.Attr = Attr(syscall.SIGKILL)
	}
	if p.StopSignal == 0 {
		p.StopSignal = syscall.SIGTERM
	}
	if p.StopTimeout == 0 {
		p.StopTimeout = 15 * time.Second
	}
	s := &Process{p: p, say: say, stop: make(chan struct{}), done: make(chan struct{})}
	go s.loop()
	return s
}

// PID is the present process id, 0 while the program is down.
func (s *Process) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid
}

// Deaths is how often the program ended by itself, and the last reason.
func (s *Process) Deaths() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deaths, s.last
}

// Stop ends the program and returns when it is gone.
func (s *Process) Stop() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}

func (s *Process) loop() {
	// The parent-death signal follows the thread that forked, so this goroutine keeps its thread for life.
	runtime.LockOSThread()
	defer close(s.done)
	pause := firstPause
	for {
		began := time.Now()
		err := s.live()
		if errors.Is(err, errStopped) {
			return
		}
		if time.Since(began) > healthy {
			pause = firstPause
		}
		s.mu.Lock()
		s.deaths, s.last = s.deaths+1, err
		s.mu.Unlock()
		s.say("%s died (%v), starting it again in %s; its log: %s", s.p.Name, err, pause, s.p.Log)
		select {
		case <-s.stop:
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
	}
}

// Run runs a command that carries Attr to its end. It keeps the thread that forked alive meanwhile: the parent-death signal
// comes when that thread ends, which it may when it served another goroutine that was locked to it.
func Run(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}

var errStopped = errors.New("stopped")

// live is one life of the program.
func (s *Process) live() error {
	if s.p.Before != nil {
		if err := s.p.Before(); err != nil {
			return err
		}
	}
	log, err := openLog(s.p.Log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.p.Path, s.p.Args...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr, cmd.Stdout, cmd.Stderr = s.p.Env, s.p.Dir, s.p.Attr, log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.p.Name, err)
	}
	s.setPID(cmd.Process.Pid)
	defer s.setPID(0)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("it ended by itself")
		}
		return err
	case <-s.stop:
	}
	_ = cmd.Process.Signal(s.p.StopSignal)
	select {
	case <-ended: //nolint:errcheck // a program that was told to stop may say so with its exit code
	case <-time.After(s.p.StopTimeout):
		s.say("%s did not stop within %s: killed", s.p.Name, s.p.StopTimeout)
		_ = cmd.Process.Kill()
		<-ended //nolint:errcheck // it was killed
	}
	return errStopped
}

func (s *Process) setPID(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
}

func openLog(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// Tail returns the last n lines of a file (of its last 16 KiB), "" when there are none.
func Tail(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const window = 16 << 10
	if fi, err := f.Stat(); err == nil && fi.Size() > window {
		_, _ = f.Seek(-window, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, window))
	lines := bytes.Split(bytes.TrimRight(b, "\n"), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n")))
}

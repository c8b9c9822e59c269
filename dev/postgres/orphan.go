package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// EndOrphan clears what a killed stack left: a server that still runs on this data is shut down, a stale postmaster.pid is
// removed (its number may belong to a stranger by now, which would keep the server from starting). The caller holds the lock
// of the run folder, so nobody else uses the data rightfully.
func (c *Cluster) EndOrphan(ctx context.Context) error {
	b, err := os.ReadFile(c.PIDFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 || !c.servedBy(ctx, pid) {
		return removeIfThere(c.PIDFile())
	}
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, 10 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		_ = syscall.Kill(pid, step.signal)
		for end := time.Now().Add(step.wait); time.Now().Before(end); {
			if !c.servedBy(ctx, pid) {
				return removeIfThere(c.PIDFile())
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("a PostgreSQL of an earlier run (pid %d) does not end", pid)
}

// servedBy reports whether the process is a PostgreSQL server on this data.
func (c *Cluster) servedBy(ctx context.Context, pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		line, err = exec.CommandContext(ctx, "ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
		if err != nil {
			return false
		}
	}
	command := strings.ReplaceAll(string(line), "\x00", " ")
	return strings.Contains(command, "postgres") && strings.Contains(command, c.Data)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

package stack

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// folder is the run folder (.run): everything that a stack keeps.
type folder string

// openFolder is XIVO_AUTH_RUN_DIR, or .run here, as an absolute path; it is not made yet.
func openFolder() (folder, error) {
	dir := os.Getenv("XIVO_AUTH_RUN_DIR")
	if dir == "" {
		dir = ".run"
	}
	abs, err := filepath.Abs(dir)
	return folder(abs), err
}

func (f folder) path(name ...string) string {
	return filepath.Join(append([]string{string(f)}, name...)...)
}

func (f folder) log(name string) string { return f.path("log", name+".log") }
func (f folder) env() string            { return f.path("env") }
func (f folder) state() string          { return f.path("state") }
func (f folder) postgres() string       { return f.path("postgres") }

// make creates the folder and what stands in it from the start, closed to other users: these can pass through the folder
// (root's PostgreSQL may have to run as one of them) but not list it, nor read anything in it.
func (f folder) make() error {
	if err := os.MkdirAll(string(f), 0o711); err != nil {
		return err
	}
	for _, dir := range []string{f.path("log"), f.path("secrets"), f.state()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// errRuns says that another process holds the lock of a run folder.
var errRuns = errors.New("the stack already runs")

// lock makes this process the only stack of the folder until the returned file is closed or the process is gone.
func (f folder) lock() (*os.File, error) {
	file, err := os.OpenFile(f.path("lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid := make([]byte, 20)
		n, _ := file.Read(pid)
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: process %s; its addresses are in %s", errRuns, strings.TrimSpace(string(pid[:n])), f.env())
		}
		return nil, fmt.Errorf("lock %s: %w", f, err)
	}
	if err := errors.Join(file.Truncate(0), writeAt(file, fmt.Sprintln(os.Getpid()))); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// runs reports whether a stack holds the lock.
func (f folder) runs() (bool, error) {
	if !f.ours() {
		return false, nil
	}
	file, err := os.Open(f.path("lock"))
	if err != nil {
		return false, err
	}
	defer file.Close()
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// ours tells a run folder from any other that XIVO_AUTH_RUN_DIR may name by mistake.
func (f folder) ours() bool {
	_, err := os.Stat(f.path("lock"))
	return err == nil
}

func writeAt(file *os.File, s string) error {
	_, err := file.WriteAt([]byte(s), 0)
	return err
}

// secret is a random word that stays the same over the life of the folder.
func (f folder) secret(name string) (string, error) {
	path := f.path("secrets", name)
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		return string(b), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	word := strings.ToLower(rand.Text())
	return word, writeWhole(path, word)
}

// writeWhole replaces a file so that nobody reads half of it; mode 0600.
func writeWhole(path, content string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

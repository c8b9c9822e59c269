package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/db/dbtest"
	"github.com/xivo-auth/xivo-auth/identity"
	"github.com/xivo-auth/xivo-auth/seal"
)

func samlRing(t *testing.T, secret byte) *seal.Keyring {
	t.Helper()
	ring, err := seal.New([]seal.Key{{ID: "k1", Secret: [32]byte{secret}}})
	require.NoError(t, err)
	return ring
}

func TestProcessesShareOneSAMLKey(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	d := identity.SAMLDeps{Pool: pool, Sealer: samlRing(t, 1), Log: slog.New(slog.DiscardHandler)}
	certificates := make([]string, 4)
	var wg sync.WaitGroup
	for i := range certificates {
		wg.Go(func() {
			pair, err := identity.NewSAML(d).Pair(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			certificates[i] = string(pair.Certificate[0])
		})
	}
	wg.Wait()
	for _, c := range certificates {
		require.Equal(t, certificates[0], c)
	}
	pair, err := identity.NewSAML(d).Pair(t.Context())
	require.NoError(t, err)
	key, ok := pair.PrivateKey.(*rsa.PrivateKey)
	require.True(t, ok)
	var sealed []byte
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT sealed FROM saml_key").Scan(&sealed))
	require.NotContains(t, string(sealed), string(key.Primes[0].Bytes()))

	d.Sealer = samlRing(t, 2)
	_, err = identity.NewSAML(d).Pair(t.Context())
	require.ErrorIs(t, err, seal.ErrOpen) // another one in its place would be unknown to the identity providers
}

func TestSAMLKeyOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := identity.SAMLDeps{Pool: dbtest.Pool(t), Sealer: samlRing(t, 1), Log: slog.New(slog.DiscardHandler), KeyFile: filepath.Join(dir, "key"), CertFile: filepath.Join(dir, "crt")}
	s := identity.NewSAML(d)
	_, err := s.Pair(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)

	write := func(key any, public any) {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
		require.NoError(t, err)
		private, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(d.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
		require.NoError(t, os.WriteFile(d.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	write(curve, &curve.PublicKey)
	_, err = s.Pair(t.Context())
	require.ErrorContains(t, err, "not RSA")

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	write(key, &key.PublicKey)
	pair, err := s.Pair(t.Context()) // files that come later are found
	require.NoError(t, err)
	require.True(t, key.Equal(pair.PrivateKey))
}

func TestSAMLLoginsThatAreOverAreSwept(t *testing.T) {
	t.Parallel()
	pool := dbtest.Pool(t)
	_, err := pool.Exec(t.Context(), `INSERT INTO saml_logins (uuid, relay, request_id, redirect_url, tenant_uuid, domain_uuid, source, expires_at)
		SELECT gen_random_uuid(), sha256(i::text::bytea), 'r', 'u', gen_random_uuid(), gen_random_uuid(), 's', now() + make_interval(mins => i) FROM generate_series(-4, 2) i`)
	require.NoError(t, err)
	for _, want := range []int{3, 2, 0} {
		n, err := identity.SweepSAML(t.Context(), pool, 3)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
}

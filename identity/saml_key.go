package identity

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/xivo-auth/xivo-auth/db"
	"github.com/xivo-auth/xivo-auth/seal"
)

const (
	samlKeyBits = 2048
	// samlKeyYears is what its certificate says; nobody is to exchange it in a hurry.
	samlKeyYears = 20
)

// Pair is the key pair that requests are signed with and that opens encrypted assertions: that of the files, or the one that
// all processes share. It is read when it is first needed, and kept; a failure is tried again.
func (s *SAML) Pair(ctx context.Context) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair != nil {
		return s.pair, nil
	}
	var pair *tls.Certificate
	var err error
	if s.d.KeyFile != "" || s.d.CertFile != "" {
		pair, err = samlKeyOfFiles(s.d.CertFile, s.d.KeyFile)
	} else {
		pair, err = s.sharedKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	s.pair = pair
	return pair, nil
}

func samlKeyOfFiles(cert, key string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("saml.cert_file, saml.key_file: %w", err)
	}
	if _, ok := pair.PrivateKey.(*rsa.PrivateKey); !ok {
		return nil, errors.New("saml.key_file: the key is not RSA")
	}
	return &pair, nil
}

// sharedKey reads the key of the database, and makes it first where there is none. Of two processes that do, one wins.
func (s *SAML) sharedKey(ctx context.Context) (*tls.Certificate, error) {
	for range 2 {
		row, err := found(ctx, "read the SAML key", func() (db.SAMLKeyGetRow, error) { return s.q.SAMLKeyGet(ctx, s.d.Pool) })
		if err != nil {
			return nil, err
		}
		if row != nil {
			der, err := s.d.Sealer.Open(row.Sealed, row.KeyID, samlKeyPlace())
			if err != nil {
				return nil, fmt.Errorf("open the SAML key: %w", err)
			}
			key, err := x509.ParsePKCS1PrivateKey(der)
			if err != nil {
				return nil, fmt.Errorf("read the SAML key: %w", err)
			}
			return &tls.Certificate{Certificate: [][]byte{row.Certificate}, PrivateKey: key}, nil
		}
		if err := s.makeKey(ctx); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("the SAML key was deleted as soon as it was made")
}

func (s *SAML) makeKey(ctx context.Context) error {
	key, err := rsa.GenerateKey(rand.Reader, samlKeyBits)
	if err != nil {
		return fmt.Errorf("make a SAML key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "xivo-auth"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(samlKeyYears, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("make the certificate of a SAML key: %w", err)
	}
	sealed, keyID, err := s.d.Sealer.Seal(x509.MarshalPKCS1PrivateKey(key), samlKeyPlace())
	if err != nil {
		return fmt.Errorf("seal a SAML key: %w", err)
	}
	var n int64
	err = db.Retry(ctx, func() (err error) {
		n, err = s.q.SAMLKeyInsert(ctx, s.d.Pool, db.SAMLKeyInsertParams{Certificate: certificate, Sealed: sealed, KeyID: keyID})
		return err
	})
	if err != nil {
		return fmt.Errorf("keep a SAML key: %w", err)
	}
	if n > 0 {
		fingerprint := sha256.Sum256(certificate)
		s.d.Log.WarnContext(ctx, "no saml.key_file is configured: made a key for SAML, kept sealed in the database for all processes", "certificate_sha256", hex.EncodeToString(fingerprint[:]))
	}
	return nil
}

// samlKeyPlace is the place that the sealed key is bound to.
func samlKeyPlace() []byte { return seal.AAD("saml_key", "", "", "private_key") }

// Package ldaptest runs a real directory (OpenLDAP's slapd) for tests and measurements, on loopback, in clear text, with
// StartTLS and with TLS.
package ldaptest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What the directory holds, besides the entries that somebody adds.
const (
	BaseDN   = "dc=example,dc=org"
	PeopleDN = "ou=people," + BaseDN
	// ServiceDN may read everything but passwords, and nobody else may read but the own entry.
	ServiceDN       = "cn=service," + BaseDN
	ServicePassword = "service-s3cret"
)

// Missing says what to install where there is no slapd.
const Missing = "no slapd here: apt-get install -y slapd ldap-utils"

// program is where Debian has it, which is not in everybody's path.
const program = "/usr/sbin/slapd"

// startTime is how long a directory may take to answer.
const startTime = 20 * time.Second

// Installed tells whether directories can be run here.
func Installed() bool {
	_, err := os.Stat(program)
	return err == nil
}

// Person is an entry below PeopleDN.
type Person struct {
	UID string
	// Password is in clear, or hashed as the directory is to keep it: {ARGON2}$argon2id$...
	Password string
	// Mails may be empty.
	Mails []string
	// MailUnreadable hides the address from the person, not from the service account.
	MailUnreadable bool
}

// Server is a running directory.
type Server struct {
	// Port serves clear text and StartTLS, SecurePort TLS. Both are on 127.0.0.1.
	Port, SecurePort int
	// CAFile is the authority of the certificate, which is for 127.0.0.1, as a file in PEM form.
	CAFile string
	Roots  *x509.CertPool

	config string
	cmd    *exec.Cmd
	exited chan error
	said   *bytes.Buffer
}

// Run starts a directory in an empty folder. Stop must be called.
func Run(ctx context.Context, dir string, people []Person) (*Server, error) {
	s := &Server{CAFile: filepath.Join(dir, "ca.pem"), Roots: x509.NewCertPool(), config: filepath.Join(dir, "slapd.conf")}
	if err := s.certify(dir); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		return nil, err
	}
	seed := filepath.Join(dir, "seed.ldif")
	if err := errors.Join(os.WriteFile(s.config, []byte(configuration(dir, people)), 0o600), os.WriteFile(seed, []byte(ldif(people)), 0o600)); err != nil {
		return nil, err
	}
	add := exec.CommandContext(ctx, program, "-T", "add", "-q", "-f", s.config, "-l", seed) //nolint:gosec // a file of ours
	if out, err := add.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fill the directory: %w\n%s", err, out)
	}
	for _, port := range []*int{&s.Port, &s.SecurePort} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		_, text, _ := net.SplitHostPort(l.Addr().String())
		*port, _ = strconv.Atoi(text)
		_ = l.Close()
	}
	return s, s.Start(ctx)
}

// Start starts a directory that was stopped, with what it holds and where it was.
func (s *Server) Start(ctx context.Context) error {
	exited := make(chan error, 1)
	s.said, s.exited = &bytes.Buffer{}, exited
	s.cmd = exec.Command(program, "-d", "0", "-f", s.config, "-h", fmt.Sprintf("ldap://127.0.0.1:%d ldaps://127.0.0.1:%d", s.Port, s.SecurePort)) //nolint:noctx,gosec // it lives until Stop
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start slapd: %w", err)
	}
	cmd := s.cmd
	go func() { exited <- cmd.Wait() }()
	deadline := time.Now().Add(startTime)
	for {
		c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.SecurePort)))
		if err == nil {
			return c.Close()
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			return fmt.Errorf("slapd ended: %w\n%s", err, s.said)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			s.Stop()
			return errors.New("slapd does not listen")
		}
	}
}

// Stop kills the directory; it refuses connections from then on. Stopping twice is no error.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	err := <-s.exited
	s.exited <- err
}

// Pause has the directory hang: connections are made, and nothing answers.
func (s *Server) Pause() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends that.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

func configuration(dir string, people []Person) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "inetorgperson"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	fmt.Fprintf(&b, `pidfile %[1]s/slapd.pid
argsfile %[1]s/slapd.args
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload argon2
database mdb
suffix "%[2]s"
directory %[1]s/db
maxsize 67108864
index objectClass eq
index uid,mail eq
access to attrs=userPassword by anonymous auth by * none
`, dir, BaseDN)
	for _, p := range people {
		if p.MailUnreadable {
			fmt.Fprintf(&b, "access to dn.exact=\"uid=%s,%s\" attrs=mail by dn.exact=\"%s\" read by * none\n", p.UID, PeopleDN, ServiceDN)
		}
	}
	fmt.Fprintf(&b, "access to * by dn.exact=\"%s\" read by self read by * none\n", ServiceDN)
	return b.String()
}

func ldif(people []Person) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n\n", BaseDN)
	fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalUnit\nou: people\n\n", PeopleDN)
	fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: service\nuserPassword: %s\n\n", ServiceDN, ServicePassword)
	for _, p := range people {
		fmt.Fprintf(&b, "dn: uid=%[1]s,%[2]s\nobjectClass: inetOrgPerson\nuid: %[1]s\ncn: %[1]s\nsn: %[1]s\nuserPassword: %[3]s\n", p.UID, PeopleDN, p.Password)
		for _, m := range p.Mails {
			fmt.Fprintf(&b, "mail: %s\n", m)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// certify makes an authority and a certificate for 127.0.0.1.
func (s *Server) certify(dir string) error {
	now := time.Now()
	authority := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	server := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.Public(), authorityKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		return err
	}
	pemOf := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	ca := pemOf("CERTIFICATE", authorityDER)
	s.Roots.AppendCertsFromPEM(ca)
	return errors.Join(os.WriteFile(s.CAFile, ca, 0o600), os.WriteFile(filepath.Join(dir, "cert.pem"), pemOf("CERTIFICATE", serverDER), 0o600),
		os.WriteFile(filepath.Join(dir, "key.pem"), pemOf("PRIVATE KEY", keyDER), 0o600))
}

package saml

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Namespaces and bindings of SAML 2.0.
const (
	spaceProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	spaceAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"

	bindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	bindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// maxCertificates bounds the keys that one signature is tried with.
const maxCertificates = 16

// idp is what the metadata of an identity provider say.
type idp struct {
	entityID     string
	validUntil   time.Time // zero: for ever
	certificates []*x509.Certificate
	// Where the browser is sent for HTTP-Redirect; empty where there is no such endpoint.
	signOn, logout string
}

// until is an xs:dateTime attribute.
type until struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (u *until) UnmarshalText(text []byte) (err error) {
	u.Time, err = instant(string(text))
	return err
}

type descriptor struct {
	XMLName    xml.Name
	EntityID   string `xml:"entityID,attr"`
	ValidUntil until  `xml:"validUntil,attr"`
	Providers  []struct {
		ValidUntil until `xml:"validUntil,attr"`
		Keys       []struct {
			Use          string   `xml:"use,attr"`
			Certificates []string `xml:"KeyInfo>X509Data>X509Certificate"`
		} `xml:"KeyDescriptor"`
		SignOn []endpoint `xml:"SingleSignOnService"`
		Logout []endpoint `xml:"SingleLogoutService"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
	Entities []descriptor `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
}

type endpoint struct {
	Binding  string `xml:"Binding,attr"`
	Location string `xml:"Location,attr"`
}

// readMetadata finds the one identity provider that a document describes.
func readMetadata(document []byte) (*idp, error) {
	root, err := parse(document)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	var d descriptor
	if err := decode(root, &d); err != nil {
		return nil, fmt.Errorf("read metadata: %w", err)
	}
	if d.XMLName.Space != "urn:oasis:names:tc:SAML:2.0:metadata" {
		return nil, errors.New("no SAML metadata")
	}
	candidates := []descriptor{d}
	if d.XMLName.Local == "EntitiesDescriptor" {
		candidates = d.Entities
	}
	var found *idp
	for _, c := range candidates {
		for _, p := range c.Providers {
			if found != nil {
				return nil, errors.New("metadata of more than one identity provider")
			}
			found = &idp{entityID: c.EntityID, validUntil: earliest(d.ValidUntil.Time, c.ValidUntil.Time, p.ValidUntil.Time),
				signOn: redirectTo(p.SignOn), logout: redirectTo(p.Logout)}
			for _, k := range p.Keys {
				if k.Use != "" && k.Use != "signing" {
					continue
				}
				for _, text := range k.Certificates {
					certificate, err := readCertificate(text)
					if err != nil {
						return nil, fmt.Errorf("a certificate of the metadata: %w", err)
					}
					found.certificates = append(found.certificates, certificate)
				}
			}
		}
	}
	switch {
	case found == nil || found.entityID == "":
		return nil, errors.New("metadata without an identity provider")
	case len(found.certificates) == 0 || len(found.certificates) > maxCertificates:
		return nil, fmt.Errorf("metadata with %d certificates to check signatures with", len(found.certificates))
	}
	return found, nil
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// redirectTo is the first web address with the binding HTTP-Redirect.
func redirectTo(endpoints []endpoint) string {
	for _, e := range endpoints {
		if u, err := url.Parse(e.Location); e.Binding == bindingRedirect && err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
			return e.Location
		}
	}
	return ""
}

func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// instant reads an xs:dateTime; without a zone it is UTC, as SAML says that all are.
func instant(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05", text)
	}
	return t, err
}

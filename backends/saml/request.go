package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const algorithmRSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

// NameID is how an identity provider names somebody, in its own terms.
type NameID struct {
	Value           string `json:"value" xml:",chardata"`
	Format          string `json:"format,omitempty" xml:"Format,attr"`
	NameQualifier   string `json:"name_qualifier,omitempty" xml:"NameQualifier,attr"`
	SPNameQualifier string `json:"sp_name_qualifier,omitempty" xml:"SPNameQualifier,attr"`
}

// newID is the ID of a request, which an answer names: 128 random bits as an xs:ID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return "id-" + hex.EncodeToString(b[:])
}

// request begins a protocol message that is sent to an endpoint.
func request(name, id, destination, issuer string, now time.Time) *etree.Element {
	r := etree.NewElement("samlp:" + name)
	r.CreateAttr("xmlns:samlp", spaceProtocol)
	r.CreateAttr("xmlns:saml", spaceAssertion)
	r.CreateAttr("ID", id)
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", now.UTC().Format("2006-01-02T15:04:05Z"))
	r.CreateAttr("Destination", destination)
	i := r.CreateElement("saml:Issuer")
	i.CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity")
	i.SetText(issuer)
	return r
}

// authnRequest asks an identity provider who the browser's user is.
func authnRequest(id, destination string, c *Config, now time.Time) *etree.Element {
	r := request("AuthnRequest", id, destination, c.EntityID, now)
	r.CreateAttr("ProtocolBinding", bindingPOST)
	r.CreateAttr("AssertionConsumerServiceURL", c.ACSURL)
	return r
}

// logoutRequest asks an identity provider to end what it began.
func logoutRequest(id, destination string, c *Config, who NameID, sessionIndex string, now time.Time) *etree.Element {
	r := request("LogoutRequest", id, destination, c.EntityID, now)
	n := r.CreateElement("saml:NameID")
	for _, a := range [][2]string{{"Format", who.Format}, {"NameQualifier", who.NameQualifier}, {"SPNameQualifier", who.SPNameQualifier}} {
		if a[1] != "" {
			n.CreateAttr(a[0], a[1])
		}
	}
	n.SetText(who.Value)
	if sessionIndex != "" {
		r.CreateElement("samlp:SessionIndex").SetText(sessionIndex)
	}
	return r
}

// redirect is the address that hands a message over (bindings, section 3.4). With a key pair it is signed.
func redirect(endpoint string, message *etree.Element, relay string, pair *tls.Certificate) (string, error) {
	d := etree.NewDocument()
	d.SetRoot(message)
	text, err := d.WriteToBytes()
	if err != nil {
		return "", fmt.Errorf("write a request: %w", err)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return "", fmt.Errorf("compress a request: %w", err)
	}
	query := "SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(b.Bytes())) + "&RelayState=" + url.QueryEscape(relay)
	if pair != nil {
		key, ok := pair.PrivateKey.(*rsa.PrivateKey)
		if !ok {
			return "", errors.New("the key of the service provider is not RSA")
		}
		query += "&SigAlg=" + url.QueryEscape(algorithmRSASHA256)
		digest := sha256.Sum256([]byte(query))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		if err != nil {
			return "", fmt.Errorf("sign a request: %w", err)
		}
		query += "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	}
	return extend(endpoint, query), nil
}

// extend adds parameters to an address.
func extend(address, query string) string {
	if strings.Contains(address, "?") {
		return address + "&" + query
	}
	return address + "?" + query
}

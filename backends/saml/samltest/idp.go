// Package samltest is an identity provider for tests: a program of its own that shares nothing with package saml but the
// library of XML signatures. It answers as it is told, well or badly.
package samltest

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// Attributes and formats that a login may be in.
const (
	NameAttribute  = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"
	MaceAttribute  = "urn:mace:dir:attribute-def:name"
	BasicFormat    = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
	Success        = "urn:oasis:names:tc:SAML:2.0:status:Success"
	rsaSHA256      = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	protocol       = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionSpace = "urn:oasis:names:tc:SAML:2.0:assertion"
)

// IdP is an identity provider with an HTTP server. Login is who is logged in there; SLS is where it sends browsers back to
// after a logout.
type IdP struct {
	URL, EntityID string
	Certificate   *x509.Certificate

	key *rsa.PrivateKey

	mu         sync.Mutex
	login, sls string
}

// New starts an identity provider, which ends with the test.
func New(t testing.TB) *IdP {
	t.Helper()
	p := &IdP{}
	p.key, p.Certificate = Key(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sso", p.signOn)
	mux.HandleFunc("GET /slo", p.logOut)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.URL, p.EntityID = server.URL, server.URL+"/metadata"
	return p
}

// Key makes a key pair with a certificate that is valid no longer: metadata are trusted, not dates.
func Key(t testing.TB) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return key, certificate
}

// LogIn has everybody who comes be this one from now on, and be sent to sls after a logout.
func (p *IdP) LogIn(login, sls string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.login, p.sls = login, sls
}

// Metadata describe it.
func (p *IdP) Metadata() []byte {
	return p.MetadataWith(`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="`+p.URL+`/slo"/>`,
		`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="`+p.URL+`/sso"/>`)
}

// MetadataWith describe it with other endpoints.
func (p *IdP) MetadataWith(endpoints ...string) []byte {
	return fmt.Appendf(nil, `<?xml version="1.0"?>
<!-- the identity provider's -->
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID=%q><md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>%s</md:IDPSSODescriptor></md:EntityDescriptor>
`, p.EntityID, base64.StdEncoding.EncodeToString(p.Certificate.Raw), strings.Join(endpoints, ""))
}

// Request is what a browser brings.
type Request struct {
	Kind, ID, Issuer, Destination, ACSURL, RelayState string
	Root                                              *etree.Element
}

// Read reads a request out of an address. A key checks its signature; without one it must have none.
func Read(location string, key *rsa.PublicKey) (Request, error) {
	_, raw, _ := strings.Cut(location, "?")
	u, err := url.Parse(location)
	if err != nil {
		return Request{}, err
	}
	q := u.Query()
	if key != nil {
		covered, _, found := strings.Cut(raw, "&Signature=")
		if i := strings.Index(covered, "SAMLRequest="); i > 0 {
			covered = covered[i:]
		}
		signature, err := base64.StdEncoding.DecodeString(q.Get("Signature"))
		if err != nil || !found || q.Get("SigAlg") != rsaSHA256 {
			return Request{}, errors.New("not signed with rsa-sha256")
		}
		digest := sha256.Sum256([]byte(covered))
		if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
			return Request{}, err
		}
	}
	compressed, err := base64.StdEncoding.DecodeString(q.Get("SAMLRequest"))
	if err != nil {
		return Request{}, err
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(compressed)))
	if err != nil {
		return Request{}, err
	}
	d := etree.NewDocument()
	if err := d.ReadFromBytes(text); err != nil {
		return Request{}, err
	}
	root := d.Root()
	r := Request{Kind: root.Tag, ID: root.SelectAttrValue("ID", ""), Destination: root.SelectAttrValue("Destination", ""),
		ACSURL: root.SelectAttrValue("AssertionConsumerServiceURL", ""), RelayState: q.Get("RelayState"), Root: root}
	if issuer := root.FindElement("./Issuer"); issuer != nil {
		r.Issuer = issuer.Text()
	}
	return r, nil
}

// Answer is what a response says. Good makes a good one; tests spoil it.
type Answer struct {
	InResponseTo, ConfirmationInResponseTo, Destination, Recipient, Audience, Issuer, Status string
	Login, Attribute, Format, NameID, SessionIndex                                           string
	NotBefore, NotOnOrAfter, SessionNotOnOrAfter                                             time.Time
	SignResponse, SignAssertion                                                              bool
	// EncryptFor is who alone can read the assertion; nil for everybody.
	EncryptFor *x509.Certificate
	// Comments has the signature cover comments too.
	Comments bool
	// RawLogin is put into the attribute as XML.
	RawLogin string
	// Key signs instead of the identity provider's own.
	Key *rsa.PrivateKey
}

// Good is the right answer to a request.
func (p *IdP) Good(r Request, login string) Answer {
	now := time.Now()
	return Answer{InResponseTo: r.ID, ConfirmationInResponseTo: r.ID, Destination: r.ACSURL, Recipient: r.ACSURL, Audience: r.Issuer, Issuer: p.EntityID, Status: Success,
		Login: login, Attribute: NameAttribute, NameID: "nobody-in-particular", SessionIndex: "index-1", SignResponse: true,
		NotBefore: now.Add(-time.Minute), NotOnOrAfter: now.Add(5 * time.Minute)}
}

// Element is an answer as XML.
func (p *IdP) Element(a Answer) (*etree.Element, error) {
	key := a.Key
	if key == nil {
		key = p.key
	}
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
	id := func() string { var b [8]byte; _, _ = rand.Read(b[:]); return "_" + hex.EncodeToString(b[:]) }

	as := etree.NewElement("saml:Assertion")
	as.CreateAttr("xmlns:saml", assertionSpace)
	as.CreateAttr("ID", id())
	as.CreateAttr("Version", "2.0")
	as.CreateAttr("IssueInstant", stamp(time.Now()))
	as.CreateElement("saml:Issuer").SetText(a.Issuer)
	subject := as.CreateElement("saml:Subject")
	if a.NameID != "" {
		n := subject.CreateElement("saml:NameID")
		n.CreateAttr("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:transient")
		n.SetText(a.NameID)
	}
	confirmation := subject.CreateElement("saml:SubjectConfirmation")
	confirmation.CreateAttr("Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
	data := confirmation.CreateElement("saml:SubjectConfirmationData")
	data.CreateAttr("Recipient", a.Recipient)
	if a.ConfirmationInResponseTo != "" {
		data.CreateAttr("InResponseTo", a.ConfirmationInResponseTo)
	}
	data.CreateAttr("NotOnOrAfter", stamp(a.NotOnOrAfter))
	conditions := as.CreateElement("saml:Conditions")
	conditions.CreateAttr("NotBefore", stamp(a.NotBefore))
	conditions.CreateAttr("NotOnOrAfter", stamp(a.NotOnOrAfter))
	if a.Audience != "" {
		conditions.CreateElement("saml:AudienceRestriction").CreateElement("saml:Audience").SetText(a.Audience)
	}
	statement := as.CreateElement("saml:AuthnStatement")
	statement.CreateAttr("AuthnInstant", stamp(time.Now()))
	if a.SessionIndex != "" {
		statement.CreateAttr("SessionIndex", a.SessionIndex)
	}
	if !a.SessionNotOnOrAfter.IsZero() {
		statement.CreateAttr("SessionNotOnOrAfter", stamp(a.SessionNotOnOrAfter))
	}
	attribute := as.CreateElement("saml:AttributeStatement").CreateElement("saml:Attribute")
	attribute.CreateAttr("Name", a.Attribute)
	if a.Format != "" {
		attribute.CreateAttr("NameFormat", a.Format)
	}
	value := attribute.CreateElement("saml:AttributeValue")
	value.SetText(a.Login)
	if a.RawLogin != "" {
		d := etree.NewDocument()
		if err := d.ReadFromString(`<v>` + a.RawLogin + `</v>`); err != nil {
			return nil, err
		}
		value.Child = nil
		for _, c := range d.Root().Copy().Child {
			value.AddChild(c)
		}
	}
	var err error
	if a.SignAssertion {
		if as, err = sign(as, key, p.Certificate, a.Comments); err != nil {
			return nil, err
		}
	}
	if a.EncryptFor != nil {
		if as, err = encrypt(as, a.EncryptFor); err != nil {
			return nil, err
		}
	}

	r := etree.NewElement("samlp:Response")
	r.CreateAttr("xmlns:samlp", protocol)
	r.CreateAttr("ID", id())
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", stamp(time.Now()))
	for _, x := range [][2]string{{"InResponseTo", a.InResponseTo}, {"Destination", a.Destination}} {
		if x[1] != "" {
			r.CreateAttr(x[0], x[1])
		}
	}
	issuer := r.CreateElement("saml:Issuer")
	issuer.CreateAttr("xmlns:saml", assertionSpace)
	issuer.SetText(a.Issuer)
	r.CreateElement("samlp:Status").CreateElement("samlp:StatusCode").CreateAttr("Value", a.Status)
	r.AddChild(as)
	if a.SignResponse {
		return sign(r, key, p.Certificate, a.Comments)
	}
	return r, nil
}

// Encode is an element as forms carry it.
func Encode(e *etree.Element) (string, error) {
	d := etree.NewDocument()
	d.SetRoot(e.Copy())
	text, err := d.WriteToBytes()
	return base64.StdEncoding.EncodeToString(text), err
}

// Post is an answer as forms carry it.
func (p *IdP) Post(t testing.TB, a Answer) string {
	t.Helper()
	e, err := p.Element(a)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign puts a signature after the issuer.
func sign(e *etree.Element, key *rsa.PrivateKey, certificate *x509.Certificate, comments bool) (*etree.Element, error) {
	ctx, err := dsig.NewSigningContext(key, [][]byte{certificate.Raw})
	if err != nil {
		return nil, err
	}
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if comments {
		ctx.Canonicalizer = dsig.MakeC14N10ExclusiveWithCommentsCanonicalizerWithPrefixList("")
	}
	signature, err := ctx.ConstructSignature(e, true)
	if err != nil {
		return nil, err
	}
	signed := e.Copy()
	signed.InsertChildAt(1, signature)
	return signed, nil
}

var page = template.Must(template.New("").Parse(`<!doctype html><title>identity provider</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.ACSURL}}"><input type="hidden" name="SAMLResponse" value="{{.Response}}">
<input type="hidden" name="RelayState" value="{{.RelayState}}"></form>`))

// signOn logs a browser in: it posts the answer itself.
func (p *IdP) signOn(w http.ResponseWriter, r *http.Request) {
	req, err := Read(r.URL.String(), nil)
	if err != nil || req.Kind != "AuthnRequest" {
		http.Error(w, "no AuthnRequest", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	login := p.login
	p.mu.Unlock()
	e, err := p.Element(p.Good(req, login))
	var text string
	if err == nil {
		text, err = Encode(e)
	}
	if err == nil {
		err = page.Execute(w, map[string]string{"ACSURL": req.ACSURL, "Response": text, "RelayState": req.RelayState})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// logOut sends a browser back.
func (p *IdP) logOut(w http.ResponseWriter, r *http.Request) {
	req, err := Read(r.URL.String(), nil)
	if err != nil || req.Kind != "LogoutRequest" {
		http.Error(w, "no LogoutRequest", http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	sls := p.sls
	p.mu.Unlock()
	http.Redirect(w, r, sls+"?"+p.LogoutResponse(req.ID, req.RelayState, true), http.StatusFound)
}

// LogoutResponse is the query that answers a request for a logout, signed or not.
func (p *IdP) LogoutResponse(inResponseTo, relay string, signed bool) string {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	_, _ = fmt.Fprintf(w, `<samlp:LogoutResponse xmlns:samlp=%q xmlns:saml=%q ID="_x" Version="2.0" IssueInstant="2030-01-01T00:00:00Z" InResponseTo=%q><saml:Issuer>%s</saml:Issuer><samlp:Status><samlp:StatusCode Value=%q/></samlp:Status></samlp:LogoutResponse>`,
		protocol, assertionSpace, inResponseTo, p.EntityID, Success)
	_ = w.Close()
	query := "SAMLResponse=" + url.QueryEscape(base64.StdEncoding.EncodeToString(b.Bytes())) + "&RelayState=" + url.QueryEscape(relay)
	if !signed {
		return query
	}
	query += "&SigAlg=" + url.QueryEscape(rsaSHA256)
	digest := sha256.Sum256([]byte(query))
	signature, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, digest[:])
	if err != nil {
		return ""
	}
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
}

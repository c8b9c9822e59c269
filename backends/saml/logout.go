package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/xivo-auth/xivo-auth/fault"
)

// maxInflated bounds what a compressed message may become, bytes.
const maxInflated = 1 << 20

// signatureAlgorithms are those of signed queries.
var signatureAlgorithms = map[string]x509.SignatureAlgorithm{
	"http://www.w3.org/2000/09/xmldsig#rsa-sha1":          x509.SHA1WithRSA,
	algorithmRSASHA256:                                    x509.SHA256WithRSA,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha384":   x509.SHA384WithRSA,
	"http://www.w3.org/2001/04/xmldsig-more#rsa-sha512":   x509.SHA512WithRSA,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": x509.ECDSAWithSHA256,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": x509.ECDSAWithSHA384,
	"http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": x509.ECDSAWithSHA512,
}

// Logout ends a token that came from a login here, and says where the browser is to go: to the identity provider, or back
// where that knows nothing any more. fault.NotFound for every other token; fault.Failed, with the token as it was, where the
// identity provider cannot be asked.
func (s *Service) Logout(ctx context.Context, token string) (location string, err error) {
	e, err := s.d.Store.OfToken(ctx, token)
	if err != nil {
		return "", err
	}
	if e == nil {
		return "", noContext()
	}
	if !e.ProviderKnows || e.NameID == nil {
		return extend(e.RedirectURL, "logged_out=true"), s.d.Store.End(ctx, e.UUID, token)
	}
	c, err := s.d.Store.OfDomainUUID(ctx, e.Domain)
	if err != nil {
		return "", err
	}
	if c == nil {
		return "", processing(fault.Failed, "The identity provider is not configured any more")
	}
	provider, err := s.provider(ctx, c)
	if err == nil && provider.logout == "" {
		err = unusableError{errors.New("the metadata have no logout endpoint for HTTP-Redirect")}
	}
	if errors.As(err, &unusableError{}) {
		return "", processing(fault.Failed, "The identity provider has no usable single logout endpoint").Because(err)
	}
	if err != nil {
		return "", err
	}
	var relay [sha256.Size]byte
	_, _ = rand.Read(relay[:]) // never fails: see crypto/rand
	id := newID()
	location, err = redirect(provider.logout, logoutRequest(id, provider.logout, c, *e.NameID, e.SessionIndex, time.Now()), base64.URLEncoding.EncodeToString(relay[:]), nil)
	if err != nil {
		return "", err
	}
	return location, s.d.Store.AwaitLogout(ctx, e.UUID, relay[:], id, token)
}

// LoggedOut takes the browser back from the identity provider's logout. The login is over then, and its refresh token with
// it. fault.Failed for whatever answers no logout of ours.
func (s *Service) LoggedOut(ctx context.Context, relayState, rawQuery string) (location string, err error) {
	failed := func(text string) error {
		return processing(fault.Failed, "Unable to process logout request response ("+text+")")
	}
	l, err := s.byRelay(ctx, relayState)
	if err != nil {
		return "", err
	}
	if l == nil || l.LogoutRequestID == "" {
		return "", failed("unknown relay state")
	}
	c, err := s.d.Store.OfDomainUUID(ctx, l.Domain)
	if err != nil {
		return "", err
	}
	if c == nil {
		return "", failed("the identity provider is not configured any more")
	}
	provider, err := s.provider(ctx, c)
	if errors.As(err, &unusableError{}) {
		return "", failed("the identity provider is not configured any more")
	}
	if err != nil {
		return "", err
	}
	if err := readLogout(rawQuery, l.LogoutRequestID, provider); err != nil {
		return "", failed(err.Error())
	}
	return extend(l.RedirectURL, "logged_out=true"), s.d.Store.End(ctx, l.UUID, "")
}

// readLogout checks that a query answers the request for a logout. Many identity providers do not sign these, so a
// signature is not required, but one that is there has to be right; the request's ID, which only the identity provider and
// the browser saw, keeps strangers from answering.
func readLogout(rawQuery, requestID string, provider *idp) error {
	parts := map[string]string{}
	for p := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(p, "=")
		if _, twice := parts[name]; !twice {
			parts[name] = value
		}
	}
	text, err := url.QueryUnescape(parts["SAMLResponse"])
	if err != nil {
		return errors.New("not readable")
	}
	document, err := decodePosted(text)
	if err != nil || len(document) == 0 {
		return errors.New("no answer, or not base64")
	}
	if inflated, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(document)), maxInflated)); err == nil {
		document = inflated
	}
	root, err := parse(document)
	if err != nil {
		return errors.New("not well-formed XML")
	}
	var r struct {
		XMLName      xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol LogoutResponse"`
		InResponseTo string   `xml:"InResponseTo,attr"`
		Issuer       *string  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	}
	signatures := signaturesIn(root)
	if len(signatures) > 0 {
		if root, err = open(root, provider.certificates); err != nil {
			return errors.New("its signature is wrong")
		}
	}
	if err := decode(root, &r); err != nil {
		return errors.New("no LogoutResponse")
	}
	switch {
	case r.InResponseTo != requestID:
		return errors.New("an answer to another request")
	case r.Issuer != nil && strings.TrimSpace(*r.Issuer) != provider.entityID:
		return errors.New("another issuer")
	}
	if parts["Signature"] != "" || parts["SigAlg"] != "" {
		return checkQuery(parts, provider)
	}
	return nil
}

// checkQuery checks the signature of a query, which covers its parameters as they were sent (bindings, section 3.4.4.1).
func checkQuery(parts map[string]string, provider *idp) error {
	covered := "SAMLResponse=" + parts["SAMLResponse"]
	if relay, ok := parts["RelayState"]; ok {
		covered += "&RelayState=" + relay
	}
	covered += "&SigAlg=" + parts["SigAlg"]
	name, err := url.QueryUnescape(parts["SigAlg"])
	if err != nil {
		return errors.New("not readable")
	}
	algorithm, ok := signatureAlgorithms[name]
	if !ok {
		return errors.New("signed in an unknown way")
	}
	text, err := url.QueryUnescape(parts["Signature"])
	if err != nil {
		return errors.New("not readable")
	}
	signature, err := decodePosted(text)
	if err != nil {
		return errors.New("its signature is not base64")
	}
	for _, c := range provider.certificates {
		if c.CheckSignature(algorithm, []byte(covered), signature) == nil {
			return nil
		}
	}
	return errors.New("its signature is wrong")
}

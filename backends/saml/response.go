package saml

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/russellhaering/gosaml2/types"
	dsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"
)

// maxLoginBytes is the longest login that an answer may name.
const maxLoginBytes = 1024

// expected is what an answer must fit.
type expected struct {
	provider  *idp
	config    *Config
	requestID string
	// pair opens encrypted assertions.
	pair func() (*tls.Certificate, error)
	now  time.Time
	skew time.Duration
}

// answer is what a good answer says.
type answer struct {
	login        string
	nameID       *NameID
	sessionIndex string
	// until is when the identity provider forgets the session, or when its assertion ends.
	until time.Time
}

// response and assertion are what is read of an answer, after its signature was checked.
type response struct {
	XMLName      xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol Response"`
	Version      string   `xml:"Version,attr"`
	InResponseTo string   `xml:"InResponseTo,attr"`
	Destination  string   `xml:"Destination,attr"`
	Issuer       *string  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Status       struct {
		Code struct {
			Value string `xml:"Value,attr"`
		} `xml:"StatusCode"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:protocol Status"`
	Assertions []assertion `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
}

type assertion struct {
	Version string  `xml:"Version,attr"`
	Issuer  *string `xml:"Issuer"`
	Subject struct {
		NameID        *NameID        `xml:"NameID"`
		Confirmations []confirmation `xml:"SubjectConfirmation"`
	} `xml:"Subject"`
	Conditions []struct {
		NotBefore    string `xml:"NotBefore,attr"`
		NotOnOrAfter string `xml:"NotOnOrAfter,attr"`
		Restrictions []struct {
			Audiences []string `xml:"Audience"`
		} `xml:"AudienceRestriction"`
	} `xml:"Conditions"`
	Authentications []struct {
		SessionIndex        string `xml:"SessionIndex,attr"`
		SessionNotOnOrAfter string `xml:"SessionNotOnOrAfter,attr"`
	} `xml:"AuthnStatement"`
	Attributes []struct {
		Name   string   `xml:"Name,attr"`
		Format string   `xml:"NameFormat,attr"`
		Values []string `xml:"AttributeValue"`
	} `xml:"AttributeStatement>Attribute"`
}

type confirmation struct {
	Method string `xml:"Method,attr"`
	Data   struct {
		Recipient    string `xml:"Recipient,attr"`
		InResponseTo string `xml:"InResponseTo,attr"`
		NotBefore    string `xml:"NotBefore,attr"`
		NotOnOrAfter string `xml:"NotOnOrAfter,attr"`
	} `xml:"SubjectConfirmationData"`
}

// read checks a whole answer (backends.md section 10.2) and says what it says. Errors are reasons for the log: they quote
// nothing that somebody signed in.
func (x *expected) read(document []byte) (answer, error) {
	root, err := parse(document)
	if err != nil {
		return answer{}, fmt.Errorf("not readable: %w", err)
	}
	if root.Tag != "Response" || root.NamespaceURI() != spaceProtocol {
		return answer{}, errors.New("no SAML response")
	}
	signed, err := open(root, x.provider.certificates)
	if err != nil {
		return answer{}, fmt.Errorf("the response: %w", err)
	}
	if err := x.openAssertions(signed); err != nil {
		return answer{}, err
	}
	var r response
	if err := decode(signed, &r); err != nil {
		return answer{}, fmt.Errorf("not readable: %w", err)
	}
	switch {
	case r.Version != "2.0":
		return answer{}, errors.New("another version of SAML")
	case !strings.HasSuffix(r.Status.Code.Value, ":status:Success"):
		return answer{}, errors.New("the identity provider did not log anybody in")
	case r.InResponseTo != x.requestID:
		return answer{}, errors.New("an answer to another request, or to none")
	case r.Destination != x.config.ACSURL:
		return answer{}, errors.New("meant for another destination")
	case r.Issuer != nil && !x.issued(r.Issuer):
		return answer{}, errors.New("another issuer of the response")
	case len(r.Assertions) != 1:
		return answer{}, fmt.Errorf("%d assertions", len(r.Assertions))
	}
	return x.accept(&r.Assertions[0])
}

func (x *expected) issued(issuer *string) bool {
	return issuer != nil && strings.TrimSpace(*issuer) == x.provider.entityID
}

// accept checks what an assertion claims.
func (x *expected) accept(a *assertion) (answer, error) {
	switch {
	case a.Version != "2.0" || !x.issued(a.Issuer):
		return answer{}, errors.New("another issuer of the assertion")
	case !slices.ContainsFunc(a.Subject.Confirmations, x.confirms):
		return answer{}, errors.New("nobody is confirmed for this address, request and time")
	case len(a.Conditions) != 1:
		return answer{}, errors.New("not one set of conditions")
	case len(a.Authentications) == 0:
		return answer{}, errors.New("it does not say that anybody was authenticated")
	}
	c := a.Conditions[0]
	if !x.within(c.NotBefore, c.NotOnOrAfter) {
		return answer{}, errors.New("outside the time of the conditions")
	}
	if len(c.Restrictions) == 0 {
		return answer{}, errors.New("no audience")
	}
	for _, r := range c.Restrictions {
		if !slices.ContainsFunc(r.Audiences, func(s string) bool { return strings.TrimSpace(s) == x.config.EntityID }) {
			return answer{}, errors.New("another audience")
		}
	}
	session := a.Authentications[0]
	if !x.within("", session.SessionNotOnOrAfter) {
		return answer{}, errors.New("the session is over")
	}
	out := answer{login: loginOf(a), sessionIndex: session.SessionIndex, until: x.now}
	if out.login == "" || len(out.login) > maxLoginBytes {
		return answer{}, errors.New("no login attribute")
	}
	if n := a.Subject.NameID; n != nil && strings.TrimSpace(n.Value) != "" {
		n.Value = strings.TrimSpace(n.Value)
		out.nameID = n
	}
	for _, end := range []string{session.SessionNotOnOrAfter, c.NotOnOrAfter} {
		if t, err := instant(end); err == nil {
			out.until = t
			break
		}
	}
	return out, nil
}

// confirms tells whether the bearer of an assertion is the subject here and now.
func (x *expected) confirms(c confirmation) bool {
	return c.Method == "urn:oasis:names:tc:SAML:2.0:cm:bearer" && c.Data.Recipient == x.config.ACSURL &&
		(c.Data.InResponseTo == "" || c.Data.InResponseTo == x.requestID) &&
		c.Data.NotOnOrAfter != "" && x.within(c.Data.NotBefore, c.Data.NotOnOrAfter)
}

// within tells whether it is neither before one instant nor at or after another; empty ones do not bound.
func (x *expected) within(notBefore, notOnOrAfter string) bool {
	if notBefore != "" {
		if t, err := instant(notBefore); err != nil || x.now.Add(x.skew).Before(t) {
			return false
		}
	}
	if notOnOrAfter != "" {
		if t, err := instant(notOnOrAfter); err != nil || !x.now.Add(-x.skew).Before(t) {
			return false
		}
	}
	return true
}

// loginAttributes are where a login may be, with the formats that the name then has.
var loginAttributes = map[string][]string{
	"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": {"", "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"},
	"urn:mace:dir:attribute-def:name":                            {"urn:oasis:names:tc:SAML:2.0:attrname-format:basic"},
}

// loginOf is the first value of a login attribute. Comments within it are no end of it: the decoder joins what is around.
func loginOf(a *assertion) string {
	for _, x := range a.Attributes {
		formats, ok := loginAttributes[strings.ToLower(x.Name)]
		if ok && slices.Contains(formats, x.Format) && len(x.Values) > 0 {
			return strings.TrimSpace(x.Values[0])
		}
	}
	return ""
}

// openAssertions puts assertions in the place of encrypted ones, and checks the signatures of those that have one of their
// own. What is in the response is signed already.
func (x *expected) openAssertions(r *etree.Element) error {
	for _, e := range r.ChildElements() {
		if e.NamespaceURI() != spaceAssertion {
			continue
		}
		switch e.Tag {
		case "EncryptedAssertion":
			plain, err := x.decrypt(e)
			if err != nil {
				return fmt.Errorf("an encrypted assertion: %w", err)
			}
			r.RemoveChild(e)
			r.AddChild(plain)
			e = plain
		case "Assertion":
		default:
			continue
		}
		if len(signaturesIn(e)) == 0 {
			continue
		}
		detached, err := detach(e)
		if err == nil {
			detached, err = open(detached, x.provider.certificates)
		}
		if err != nil {
			return fmt.Errorf("an assertion: %w", err)
		}
		r.RemoveChild(e)
		r.AddChild(detached)
	}
	return nil
}

func (x *expected) decrypt(e *etree.Element) (*etree.Element, error) {
	detached, err := detach(e)
	if err != nil {
		return nil, err
	}
	var sealed types.EncryptedAssertion
	if err := decode(detached, &sealed); err != nil {
		return nil, err
	}
	pair, err := x.pair()
	if err != nil {
		return nil, err
	}
	sealed.EncryptedKey.X509Data = "" // for whom it was sealed is told by whether it opens
	sealed.DetEncryptedKey.X509Data = ""
	text, err := sealed.DecryptBytes(pair)
	if err != nil {
		return nil, errors.New("our key does not open it")
	}
	plain, err := parse(text)
	if err != nil {
		return nil, err
	}
	if plain.Tag != "Assertion" || plain.NamespaceURI() != spaceAssertion {
		return nil, errors.New("something else is in it")
	}
	return plain, nil
}

// detach copies an element out of its document, with the namespaces that hold there.
func detach(e *etree.Element) (*etree.Element, error) {
	ctx, err := etreeutils.NSBuildParentContext(e)
	if err != nil {
		return nil, err
	}
	return etreeutils.NSDetatch(ctx, e)
}

func signaturesIn(e *etree.Element) (found []*etree.Element) {
	for _, c := range e.ChildElements() {
		if c.Tag == "Signature" && c.NamespaceURI() == dsig.Namespace {
			found = append(found, c)
		}
	}
	return found
}

// open gives the bytes of an element that its signature covers, read anew; nothing else of the document is in them. The
// signature is a child of the element and refers to it by an ID that is nowhere else, and it is by one of the keys: what the
// signature says of its key is not looked at, nor how long a certificate is valid, since metadata are what is trusted.
func open(root *etree.Element, certificates []*x509.Certificate) (*etree.Element, error) {
	signatures := signaturesIn(root)
	if len(signatures) != 1 {
		return nil, fmt.Errorf("%d signatures of its own", len(signatures))
	}
	id := root.SelectAttrValue("ID", "")
	ids, references := count(root, id)
	if id == "" || ids != 1 || references != 1 {
		return nil, errors.New("it is not clear what is signed")
	}
	if r := signatures[0].FindElement("./SignedInfo/Reference"); r == nil || r.SelectAttrValue("URI", "") != "#"+id {
		return nil, errors.New("the signature is of something else")
	}
	for _, k := range signatures[0].SelectElements("KeyInfo") {
		signatures[0].RemoveChild(k)
	}
	err := errors.New("no key to check it with")
	for _, c := range certificates {
		v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{c}})
		v.Clock = dsig.NewFakeClockAt(c.NotBefore)
		var signed *etree.Element
		if signed, err = v.Validate(root); err != nil {
			continue
		}
		if signed == nil || signed.Tag != root.Tag || signed.NamespaceURI() != root.NamespaceURI() || signed.SelectAttrValue("ID", "") != id {
			return nil, errors.New("the signature is of something else")
		}
		return signed, nil
	}
	return nil, fmt.Errorf("its signature: %w", err)
}

// count tells how many elements have an ID, and how many references there are to it or to the whole document.
func count(e *etree.Element, id string) (ids, references int) {
	for _, a := range e.Attr {
		switch {
		case strings.EqualFold(a.Key, "id") && a.Value == id:
			ids++
		case e.Tag == "Reference" && a.Key == "URI" && (a.Value == "#"+id || strings.TrimSpace(a.Value) == ""):
			references++
		}
	}
	if e.Tag == "Reference" && e.SelectAttr("URI") == nil {
		references++
	}
	for _, c := range e.ChildElements() {
		i, r := count(c, id)
		ids, references = ids+i, references+r
	}
	return ids, references
}

// decodePosted decodes a message as forms carry it.
func decodePosted(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}

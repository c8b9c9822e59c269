package saml

import (
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/saml/samltest"
)

// scene is an identity provider, one request to it and what is expected of an answer.
type scene struct {
	*expected

	idp     *samltest.IdP
	request samltest.Request
	key     *rsa.PrivateKey
	cert    *x509.Certificate
}

func newScene(t testing.TB) *scene {
	t.Helper()
	s := &scene{idp: samltest.New(t)}
	provider, err := readMetadata(s.idp.Metadata())
	require.NoError(t, err)
	s.key, s.cert = samltest.Key(t)
	c := &Config{EntityID: "our-entity", ACSURL: "https://stack.example.com/api/auth/0.1/saml/acs"}
	pair := &tls.Certificate{Certificate: [][]byte{s.cert.Raw}, PrivateKey: s.key}
	location, err := redirect(provider.signOn, authnRequest("id-1", provider.signOn, c, time.Now()), "relay=", pair)
	require.NoError(t, err)
	s.request, err = samltest.Read(location, &s.key.PublicKey)
	require.NoError(t, err)
	s.expected = &expected{provider: provider, config: c, requestID: "id-1", now: time.Now(), skew: 5 * time.Second,
		pair: func() (*tls.Certificate, error) { return pair, nil }}
	return s
}

func (s *scene) answer(t testing.TB, spoil func(*samltest.Answer)) *etree.Element {
	t.Helper()
	a := s.idp.Good(s.request, "alice@example.com")
	if spoil != nil {
		spoil(&a)
	}
	e, err := s.idp.Element(a)
	require.NoError(t, err)
	return e
}

func (s *scene) readElement(t testing.TB, e *etree.Element) (answer, error) {
	t.Helper()
	text, err := samltest.Encode(e)
	require.NoError(t, err)
	document, err := decodePosted(text)
	require.NoError(t, err)
	return s.read(document)
}

func TestRequestSaysWhatIsWantedAndIsSigned(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.request
	require.Equal(t, []string{"AuthnRequest", "id-1", "our-entity", s.idp.URL + "/sso", s.config.ACSURL, "relay="},
		[]string{r.Kind, r.ID, r.Issuer, r.Destination, r.ACSURL, r.RelayState})
	require.Equal(t, bindingPOST, r.Root.SelectAttrValue("ProtocolBinding", ""))
	require.Len(t, r.Root.ChildElements(), 1)
	require.Equal(t, "urn:oasis:names:tc:SAML:2.0:nameid-format:entity", r.Root.ChildElements()[0].SelectAttrValue("Format", ""))
	_, other := samltest.Key(t)
	location, err := redirect(s.provider.signOn+"?tenant=1", r.Root, "relay", &tls.Certificate{Certificate: [][]byte{other.Raw}, PrivateKey: s.key})
	require.NoError(t, err)
	require.Contains(t, location, "/sso?tenant=1&SAMLRequest=")
	_, err = samltest.Read(location, &s.key.PublicKey)
	require.NoError(t, err)
}

func TestGoodAnswersAreRead(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for name, change := range map[string]func(*samltest.Answer){
		"plain":                          nil,
		"the assertion is signed too":    func(a *samltest.Answer) { a.SignAssertion = true },
		"encrypted":                      func(a *samltest.Answer) { a.EncryptFor = s.cert },
		"signed, then encrypted":         func(a *samltest.Answer) { a.EncryptFor, a.SignAssertion = s.cert, true },
		"comments are signed":            func(a *samltest.Answer) { a.Comments = true },
		"the other attribute":            func(a *samltest.Answer) { a.Attribute, a.Format = samltest.MaceAttribute, samltest.BasicFormat },
		"names compare ignoring case":    func(a *samltest.Answer) { a.Attribute = strings.ToUpper(samltest.NameAttribute) },
		"an unspecified format":          func(a *samltest.Answer) { a.Format = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified" },
		"a clock that is a little ahead": func(a *samltest.Answer) { a.NotBefore = time.Now().Add(3 * time.Second) },
		"no confirmed request":           func(a *samltest.Answer) { a.ConfirmationInResponseTo = "" },
	} {
		got, err := s.readElement(t, s.answer(t, change))
		require.NoError(t, err, name)
		require.Equal(t, "alice@example.com", got.login, name)
		require.Equal(t, "index-1", got.sessionIndex, name)
		require.Equal(t, "nobody-in-particular", got.nameID.Value, name)
	}
}

func TestBadAnswersAreRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	stranger, strangers := samltest.Key(t)
	for name, x := range map[string]struct {
		spoil func(*samltest.Answer)
		want  string
	}{
		"not signed":                    {func(a *samltest.Answer) { a.SignResponse = false }, "0 signatures"},
		"only the assertion is signed":  {func(a *samltest.Answer) { a.SignResponse, a.SignAssertion = false, true }, "0 signatures"},
		"signed by a stranger":          {func(a *samltest.Answer) { a.Key = stranger }, "its signature"},
		"unsolicited":                   {func(a *samltest.Answer) { a.InResponseTo, a.ConfirmationInResponseTo = "", "" }, "another request"},
		"to another request":            {func(a *samltest.Answer) { a.InResponseTo = "id-2" }, "another request"},
		"confirmed for another request": {func(a *samltest.Answer) { a.ConfirmationInResponseTo = "id-2" }, "nobody is confirmed"},
		"another destination":           {func(a *samltest.Answer) { a.Destination = "https://evil.example.com/acs" }, "destination"},
		"no destination":                {func(a *samltest.Answer) { a.Destination = "" }, "destination"},
		"another recipient":             {func(a *samltest.Answer) { a.Recipient = "https://evil.example.com/acs" }, "nobody is confirmed"},
		"another audience":              {func(a *samltest.Answer) { a.Audience = "another-entity" }, "another audience"},
		"no audience":                   {func(a *samltest.Answer) { a.Audience = "" }, "no audience"},
		"another issuer":                {func(a *samltest.Answer) { a.Issuer = "https://other.example.com" }, "another issuer"},
		"not a success":                 {func(a *samltest.Answer) { a.Status = "urn:oasis:names:tc:SAML:2.0:status:Responder" }, "log anybody in"},
		"expired":                       {func(a *samltest.Answer) { a.NotOnOrAfter = time.Now().Add(-10 * time.Second) }, "nobody is confirmed"},
		"not valid yet":                 {func(a *samltest.Answer) { a.NotBefore = time.Now().Add(30 * time.Second) }, "outside the time"},
		"a session that is over":        {func(a *samltest.Answer) { a.SessionNotOnOrAfter = time.Now().Add(-time.Minute) }, "session is over"},
		"a plain name":                  {func(a *samltest.Answer) { a.Attribute = "name" }, "no login attribute"},
		"the wrong format":              {func(a *samltest.Answer) { a.Format = samltest.BasicFormat }, "no login attribute"},
		"the other with no format":      {func(a *samltest.Answer) { a.Attribute = samltest.MaceAttribute }, "no login attribute"},
		"an empty login":                {func(a *samltest.Answer) { a.Login = " " }, "no login attribute"},
		"a login without end":           {func(a *samltest.Answer) { a.Login = strings.Repeat("a", 1025) }, "no login attribute"},
		"encrypted for somebody else":   {func(a *samltest.Answer) { a.EncryptFor = strangers }, "does not open"},
	} {
		_, err := s.readElement(t, s.answer(t, x.spoil))
		require.ErrorContains(t, err, x.want, name)
	}
	for name, document := range map[string]string{
		"nothing": "", "no XML": "nonsense", "another document": `<a/>`, "a Response of another protocol": `<Response ID="x"/>`,
		"a document type": `<!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>`, "two roots": `<a/><b/>`, "deep": strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100),
	} {
		_, err := s.read([]byte(document))
		require.Error(t, err, name)
	}
}

func TestBrokenSignatureInsideASignedResponseIsRefused(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	other := newScene(t)
	a := other.idp.Good(s.request, "mallory@example.com")
	a.SignAssertion, a.SignResponse, a.Issuer = true, false, s.idp.EntityID
	inner, err := other.idp.Element(a)
	require.NoError(t, err)
	s.expected.provider.certificates = append(s.expected.provider.certificates, other.provider.certificates[0])
	strange := inner.FindElement("./Assertion")
	strange.FindElement("./AttributeStatement/Attribute/AttributeValue").SetText("root@example.com")
	require.Error(t, s.openAssertions(inner))
}

// TestSignatureWrapping moves what was signed to where nobody looks, and puts something else where it was.
func TestSignatureWrapping(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	evil := func(e *etree.Element) *etree.Element { // a forged copy, without a signature
		forged := e.Copy()
		for _, sig := range signaturesIn(forged) {
			forged.RemoveChild(sig)
		}
		forged.FindElement(".//AttributeValue").SetText("mallory@example.com")
		return forged
	}
	for name, wrap := range map[string]func(good *etree.Element) *etree.Element{
		"the signed response inside the signature's object": func(good *etree.Element) *etree.Element {
			forged, signature := evil(good), signaturesIn(good)[0].Copy()
			forged.CreateAttr("ID", "forged")
			signature.CreateElement("ds:Object").AddChild(good.Copy())
			forged.InsertChildAt(1, signature)
			return forged
		},
		"the same with the same ID": func(good *etree.Element) *etree.Element {
			forged, signature := evil(good), signaturesIn(good)[0].Copy()
			signature.CreateElement("ds:Object").AddChild(good.Copy())
			forged.InsertChildAt(1, signature)
			return forged
		},
		"the signed response as an extension": func(good *etree.Element) *etree.Element {
			forged := evil(good)
			forged.CreateAttr("ID", "forged")
			x := etree.NewElement("samlp:Extensions")
			x.AddChild(good.Copy())
			forged.InsertChildAt(1, x)
			return forged
		},
		"a forged assertion before the signed one": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			forged.InsertChildAt(2, evil(good).FindElement("./Assertion"))
			return forged
		},
		"a forged assertion in the place of the signed one": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			forged.RemoveChild(forged.FindElement("./Assertion"))
			forged.AddChild(evil(good).FindElement("./Assertion"))
			return forged
		},
		"two signatures": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			forged.AddChild(signaturesIn(good)[0].Copy())
			return forged
		},
		"a reference to the whole document": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			signaturesIn(forged)[0].FindElement("./SignedInfo/Reference").CreateAttr("URI", "")
			return forged
		},
		"no ID": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			forged.RemoveAttr("ID")
			return forged
		},
		"the signature deeper down": func(good *etree.Element) *etree.Element {
			forged := good.Copy()
			signature := signaturesIn(forged)[0]
			forged.RemoveChild(signature)
			forged.FindElement("./Status").AddChild(signature)
			return forged
		},
	} {
		for _, signed := range []bool{false, true} {
			got, err := s.readElement(t, wrap(s.answer(t, func(a *samltest.Answer) { a.SignAssertion = signed })))
			require.Error(t, err, name)
			require.Empty(t, got, name)
		}
	}
}

// TestCommentsDoNotCutLogins has a user of the identity provider choose a name that ends early for careless readers.
func TestCommentsDoNotCutLogins(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, comments := range []bool{false, true} {
		got, err := s.readElement(t, s.answer(t, func(a *samltest.Answer) { a.RawLogin, a.Comments = "admin@example.com<!-- -->.evil.org", comments }))
		require.NoError(t, err)
		require.Equal(t, "admin@example.com.evil.org", got.login)
	}
	// A comment that was put in on the way changes nothing either.
	good := s.answer(t, func(a *samltest.Answer) { a.Login = "admin@example.com.evil.org" })
	value := good.FindElement(".//AttributeValue")
	value.Child = nil
	value.CreateText("admin@example.com")
	value.CreateComment("")
	value.CreateText(".evil.org")
	got, err := s.readElement(t, good)
	require.NoError(t, err)
	require.Equal(t, "admin@example.com.evil.org", got.login)
}

func TestKeyThatCannotBeReadIsNoRefusalOfTheAnswer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	away := errors.New("away")
	s.pair = func() (*tls.Certificate, error) { return nil, away }
	_, err := s.readElement(t, s.answer(t, func(a *samltest.Answer) { a.EncryptFor = s.cert }))
	require.ErrorIs(t, err, away)
}

func TestAnswerToALogoutHasToFit(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	require.NoError(t, readLogout(s.idp.LogoutResponse("id-9", "r", true), "id-9", s.provider))
	require.NoError(t, readLogout(s.idp.LogoutResponse("id-9", "r", false), "id-9", s.provider), "many do not sign")
	signed := s.idp.LogoutResponse("id-9", "r", true)
	for name, query := range map[string]string{
		"to another request":     s.idp.LogoutResponse("id-8", "r", true),
		"signed by somebody":     newScene(t).idp.LogoutResponse("id-9", "r", true),
		"signature of something": strings.Replace(signed, "RelayState=r", "RelayState=s", 1),
		"unknown algorithm":      strings.Replace(signed, "rsa-sha256", "rsa-md5", 1),
		"nothing":                "", "no base64": "SAMLResponse=%%%", "no XML": "SAMLResponse=YWJj",
		"something else": "SAMLResponse=" + base64.StdEncoding.EncodeToString([]byte("<a/>")),
	} {
		require.Error(t, readLogout(query, "id-9", s.provider), name)
	}
}

func FuzzRead(f *testing.F) {
	s := newScene(f)
	for _, spoil := range []func(*samltest.Answer){nil, func(a *samltest.Answer) { a.SignAssertion = true }, func(a *samltest.Answer) { a.EncryptFor = s.cert },
		func(a *samltest.Answer) { a.RawLogin = "a<!-- -->b" }, func(a *samltest.Answer) { a.SignResponse = false }} {
		text, err := samltest.Encode(s.answer(f, spoil))
		require.NoError(f, err)
		document, err := decodePosted(text)
		require.NoError(f, err)
		f.Add(document)
	}
	f.Add([]byte(`<!DOCTYPE a><a/>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := s.read(document)
		if err == nil && got.login != "alice@example.com" && got.login != "ab" { // whatever is accepted says what was signed
			t.Fatalf("accepted %q", got.login)
		}
	})
}

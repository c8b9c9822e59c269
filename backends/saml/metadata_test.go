package saml

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/backends/saml/samltest"
)

func TestDocumentsAreWellFormedOrNot(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		`<a/>`, "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- c --><?pi x?><a b=\"1\">é<b/>&amp;&#233;<![CDATA[<]]></a>\n<!-- d -->",
		`<p:a xmlns:p="u" p:b="1" b="2" xml:lang="fr"><p:c/></p:a>`,
	} {
		require.NoError(t, Check([]byte(good)), good)
	}
	for _, bad := range []string{
		"", " ", "text", "<a>", "<a></b>", "<a/><b/>", "<a/>text", "text<a/>", `<a b="1" b="2"/>`, `<p:a/>`, `<a p:b="1"/>`, `<a xmlns:p=""/>`,
		`<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, "<a>&nbsp;</a>", "<a>\x00</a>", "<a>\xff</a>", `<!DOCTYPE a><a/>`, `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`,
		`<?xml version="1.0" encoding="UTF-16"?><a/>`, `<a b=c/>`, strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65), "<a>" + strings.Repeat("<b/>", 30_000) + "</a>",
	} {
		require.Error(t, Check([]byte(bad)), "%.40s", bad)
	}
}

func TestMetadataNameOneIdentityProvider(t *testing.T) {
	t.Parallel()
	idp := samltest.New(t)
	p, err := readMetadata(idp.Metadata())
	require.NoError(t, err)
	require.Equal(t, []string{idp.EntityID, idp.URL + "/sso", idp.URL + "/slo"}, []string{p.entityID, p.signOn, p.logout})
	require.Len(t, p.certificates, 1)
	require.True(t, p.validUntil.IsZero())

	_, entity, _ := strings.Cut(string(idp.Metadata()), "-->")
	several := `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2100-01-02T03:04:05Z">` + entity + `</md:EntitiesDescriptor>`
	p, err = readMetadata([]byte(several))
	require.NoError(t, err)
	require.Equal(t, time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC), p.validUntil)

	none, err := readMetadata(idp.MetadataWith(`<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>`,
		`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="javascript:alert(1)"/>`))
	require.NoError(t, err)
	require.Empty(t, none.signOn+none.logout)

	for name, bad := range map[string]string{
		"no XML": "x", "other XML": "<a/>", "nobody": `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="x"/>`,
		"two":             strings.Replace(several, "</md:EntitiesDescriptor>", entity+"</md:EntitiesDescriptor>", 1),
		"no certificate":  strings.Replace(string(idp.Metadata()), `use="signing"`, `use="encryption"`, 1),
		"bad certificate": strings.Replace(string(idp.Metadata()), "X509Certificate>MII", "X509Certificate>AAA", 1),
		"bad date":        strings.Replace(several, "2100-01-02T03:04:05Z", "soon", 1),
	} {
		_, err := readMetadata([]byte(bad))
		require.Error(t, err, name)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"<a/>", "<!DOCTYPE a><a/>", `<p:a xmlns:p="u">&lt;</p:a>`, "<a></b>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		if Check(document) != nil {
			return
		}
		if _, err := parse(document); err != nil { // what is well-formed can be read
			t.Fatalf("%v", err)
		}
	})
}

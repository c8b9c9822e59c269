package samltest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the digest that rsa-oaep-mgf1p has by default
	"crypto/x509"
	"encoding/base64"
	"errors"

	"github.com/beevik/etree"
)

// encrypt closes an assertion for the holder of a certificate's key: AES-256-GCM under RSA-OAEP.
func encrypt(assertion *etree.Element, holder *x509.Certificate) (*etree.Element, error) {
	public, ok := holder.PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	d := etree.NewDocument()
	d.SetRoot(assertion.Copy())
	text, err := d.WriteToBytes()
	if err != nil {
		return nil, err
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	_, _ = rand.Read(nonce)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, public, key, nil) //nolint:gosec // as above
	if err != nil {
		return nil, err
	}
	out := etree.NewElement("saml:EncryptedAssertion")
	out.CreateAttr("xmlns:saml", assertionSpace)
	data := out.CreateElement("xenc:EncryptedData")
	data.CreateAttr("xmlns:xenc", "http://www.w3.org/2001/04/xmlenc#")
	data.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
	data.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", "http://www.w3.org/2009/xmlenc11#aes256-gcm")
	info := data.CreateElement("ds:KeyInfo")
	info.CreateAttr("xmlns:ds", "http://www.w3.org/2000/09/xmldsig#")
	sealed := info.CreateElement("xenc:EncryptedKey")
	sealed.CreateElement("xenc:EncryptionMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p")
	sealed.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(wrapped))
	data.CreateElement("xenc:CipherData").CreateElement("xenc:CipherValue").SetText(base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, text, nil)))
	return out, nil
}

package api

import (
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

// basicCredentials decodes an Authorization header by the rules of tokens.md section 3. Whatever is not a login and a
// password, both non-empty, is no credentials at all.
func basicCredentials(header string) (login, password string) {
	const scheme = "basic "
	if len(header) < len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) {
		return "", ""
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(header[len(scheme):], " "))
	if err != nil {
		return "", ""
	}
	text := string(raw)
	if !utf8.ValidString(text) { // then it is ISO-8859-1, whose bytes are code points
		runes := make([]rune, len(raw))
		for i, b := range raw {
			runes[i] = rune(b)
		}
		text = string(runes)
	}
	login, password, _ = strings.Cut(text, ":")
	if login == "" || password == "" {
		return "", ""
	}
	return login, password
}

// clientAddress is the address that the outermost trusted proxy saw (section 13): the n-th value of X-Forwarded-For from
// the end, verbatim; the peer's without such a value.
func (s *server) clientAddress(c *gin.Context) string {
	if n := s.NumProxies; n > 0 {
		if values := strings.Split(strings.Join(c.Request.Header.Values("X-Forwarded-For"), ","), ","); len(values) >= n {
			if v := strings.TrimSpace(values[len(values)-n]); v != "" {
				return v
			}
		}
	}
	return peer(c)
}

func peer(c *gin.Context) string {
	host, _, err := net.SplitHostPort(c.Request.RemoteAddr)
	if err != nil {
		return c.Request.RemoteAddr
	}
	return host
}

// source is the address that failures with passwords count under: the client's, or the peer's where a proxy passed on what
// is no address.
func (s *server) source(c *gin.Context) string {
	address := s.clientAddress(c)
	bare := strings.Trim(address, "[]")
	if host, _, err := net.SplitHostPort(address); err == nil {
		bare = host
	}
	if _, err := netip.ParseAddr(bare); err == nil {
		return address
	}
	return peer(c)
}

// scriptName is the prefix that a trusted proxy took off, if it has the form of one.
func (s *server) scriptName(c *gin.Context) string {
	name := c.GetHeader("X-Script-Name")
	for p := range strings.SplitSeq(strings.TrimPrefix(name, "/"), "/") {
		if strings.Trim(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-") != "" || p == "" {
			return ""
		}
	}
	if !strings.HasPrefix(name, "/") {
		return ""
	}
	return name
}

// storable makes header text fit for the database: valid UTF-8 without U+0000.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

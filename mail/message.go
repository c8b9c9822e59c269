package mail

import (
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"
)

// Mailbox is a sender or a recipient; Name may be empty.
type Mailbox struct {
	Name, Address string
}

// Message is a mail to one recipient.
type Message struct {
	From, To      Mailbox
	Subject, Body string
}

// maxLine is the longest line of a mail without its end, in bytes (RFC 5322).
const maxLine = 998

// refused says that a message cannot be sent as it is. It does not quote the message: that holds a token.
type refused string

func (r refused) Error() string { return "mail not sent: " + string(r) }

// compose writes the message as it is delivered, with line ends of a text file. Header lines are not folded, an ASCII body
// is left as it is: receivers cut the links out by line (identity.md section 12). What would make another header, or other
// recipients, is refused.
func (m *Message) compose(id string, at time.Time) (string, error) {
	from, err := m.From.header()
	if err != nil {
		return "", err
	}
	to, err := m.To.header()
	if err != nil {
		return "", err
	}
	subject, err := headerText(m.Subject)
	if err != nil {
		return "", err
	}
	charset, encoding, body := "us-ascii", "7bit", strings.ReplaceAll(m.Body, "\r\n", "\n")
	if !ascii(body) {
		charset, encoding, body = "utf-8", "base64", wrapped(base64.StdEncoding.EncodeToString([]byte(body)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Content-Type: text/plain; charset=%q\nMIME-Version: 1.0\nContent-Transfer-Encoding: %s\n", charset, encoding)
	for _, line := range []string{"To: " + to, "From: " + from, "Subject: " + subject} {
		if len(line) > maxLine { // only encoded words get there; between two of them a line may be folded
			line = strings.ReplaceAll(line, "?= =?", "?=\n =?")
		}
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "Date: %s\nMessage-ID: <%s>\n\n%s", at.Format(time.RFC1123Z), id, body)
	return b.String(), nil
}

// header is the mailbox as a header has it: the name in quotes only where it must be.
func (m *Mailbox) header() (string, error) {
	if err := m.deliverable(); err != nil {
		return "", err
	}
	if m.Name == "" {
		return m.Address, nil
	}
	name, err := headerText(m.Name)
	if err != nil {
		return "", err
	}
	if name == m.Name && strings.ContainsAny(name, `[]()<>@,:;."\`) {
		name = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name + " <" + m.Address + ">", nil
}

// deliverable refuses addresses that plain SMTP cannot carry, or that would be more than an address.
func (m *Mailbox) deliverable() error {
	switch {
	case m.Address == "" || len(m.Address) > maxLine/2 || strings.ContainsAny(m.Address, "<> \t\r\n") || strings.ContainsFunc(m.Address, control):
		return refused("an address is not one")
	case !ascii(m.Address):
		return refused("an address is not ASCII")
	}
	return nil
}

// headerText is text for a header: as it is where it is printable ASCII, else in encoded words (RFC 2047).
func headerText(text string) (string, error) {
	if strings.ContainsAny(text, "\r\n") {
		return "", refused("a line break in a header")
	}
	if !utf8.ValidString(text) {
		return "", refused("a header that is not UTF-8")
	}
	if !ascii(text) || strings.ContainsFunc(text, control) {
		return mime.BEncoding.Encode("utf-8", text), nil
	}
	return text, nil
}

func control(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func ascii(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// wrapped cuts base64 into lines.
func wrapped(text string) string {
	const width = 76
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return b.String() + text + "\n"
}

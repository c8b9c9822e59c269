package mail_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xivo-auth/xivo-auth/mail"
	"github.com/xivo-auth/xivo-auth/mail/mailtest"
)

const someToken = "8015b733-29f7-4b55-9839-debcc409101f"

var (
	someEmail = uuid.MustParse("87906998-918d-4e2b-98d1-0cd821e143fe")
	someUser  = uuid.MustParse("991cc3be-dc75-4403-a0bf-a00f733ed4ab")
	noreply   = mail.Mailbox{Name: "wazo-auth", Address: "noreply@wazo.community"}
	link      = mail.Link{Scheme: "https", Hostname: "auth.example.com"}
)

func builtin(name string) mail.File { return mail.File{Path: "/nowhere/" + name, Default: true} }

func mailer(s *mailtest.Server) *mail.Mailer {
	return &mail.Mailer{
		Confirmation:  mail.Kind{From: noreply, Subject: builtin("email_confirmation_subject.jinja"), Body: builtin("email_confirmation.jinja")},
		PasswordReset: mail.Kind{From: noreply, Subject: builtin("password_reset_email_subject.jinja"), Body: builtin("password_reset_email.jinja")},
		SMTP:          mail.NewSMTP(s.Host, s.Port),
	}
}

func pointer(s string) *string { return &s }

func TestAConfirmationMailAsItArrives(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	to := link
	to.Port, to.Prefix = 443, "/api/auth"
	require.NoError(t, mailer(s).SendConfirmation(t.Context(), mail.Letter{Username: pointer("foobar"), Address: "foobar@example.com", Token: someToken, EmailUUID: someEmail, Link: to}))
	m := s.Last(t, 1)
	require.Equal(t, "noreply@wazo.community", m.From)
	require.Equal(t, []string{"foobar@example.com"}, m.To)
	require.Equal(t, []string{`Content-Type: text/plain; charset="us-ascii"`, "MIME-Version: 1.0", "Content-Transfer-Encoding: 7bit",
		"To: foobar <foobar@example.com>", "From: wazo-auth <noreply@wazo.community>", "Subject: Email confirmation for foobar"}, m.Lines()[:6])
	require.Regexp(t, `^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}$`, m.Lines()[6])
	require.Regexp(t, `^Message-ID: <[0-9a-f]{32}@wazo\.community>$`, m.Lines()[7])
	require.Len(t, m.Lines(), 8)
	require.Contains(t, m.Body(), "\nhttps://auth.example.com:443/api/auth/0.1/emails/"+someEmail.String()+"/confirm?token="+someToken+"\n")
	require.Contains(t, m.Body(), "foobar")
	require.Equal(t, someToken, m.Token(t))
}

func TestAResetMailAsItArrives(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	require.NoError(t, mailer(s).SendPasswordReset(t.Context(), mail.Letter{Username: pointer("foobar"), Address: "foobar@example.com", Token: someToken, UserUUID: someUser,
		Link: mail.Link{Scheme: "https", Hostname: "auth.example.com", Prefix: "/not/used"}}))
	m := s.Last(t, 1)
	require.Contains(t, m.Lines(), "Subject: New password requested")
	require.Contains(t, m.Body(), "\nhttps://app.wazo.io/reset-password?host=auth.example.com&token="+someToken+"&user_uuid="+someUser.String()+"\n")
}

func TestAUserWithoutANameIsAddressedByTheAddress(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	require.NoError(t, mailer(s).SendConfirmation(t.Context(), mail.Letter{Address: "a@localhost", Token: someToken, EmailUUID: someEmail, Link: link}))
	m := s.Last(t, 1)
	require.Contains(t, m.Lines(), "To: a@localhost")
	require.Contains(t, m.Lines(), "Subject: Email confirmation for a@localhost")
	require.Contains(t, m.Body(), "Hello a@localhost,")
}

func TestNamesInHeaders(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	long := strings.Repeat("x", 256)
	for name, want := range map[string]string{
		"u4@example.com": `"u4@example.com" <a@ex.com>`,
		"plain name":     "plain name <a@ex.com>",
		`q"\`:            `"q\"\\" <a@ex.com>`,
		"a, b":           `"a, b" <a@ex.com>`,
		"(x)":            `"(x)" <a@ex.com>`,
		"it's #1!":       "it's #1! <a@ex.com>",
		"é":              "=?utf-8?b?w6k=?= <a@ex.com>",
		"bell\a":         "=?utf-8?b?YmVsbAc=?= <a@ex.com>",
		long:             long + " <a@ex.com>",
	} {
		before := len(s.Mails())
		require.NoError(t, mail.NewSMTP(s.Host, s.Port).Send(t.Context(), &mail.Message{From: mail.Mailbox{Name: name, Address: "a@ex.com"}, To: mail.Mailbox{Name: name, Address: "a@ex.com"}, Body: "x"}))
		m := s.Last(t, before+1)
		require.Contains(t, m.Lines(), "To: "+want)
		require.Contains(t, m.Lines(), "From: "+want)
		require.Equal(t, "x\n", m.Body())
	}
}

func TestLinesThatWouldBeTooLongAreFoldedBetweenEncodedWords(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	require.NoError(t, mail.NewSMTP(s.Host, s.Port).Send(t.Context(), &mail.Message{From: noreply, To: mail.Mailbox{Name: strings.Repeat("😀", 256), Address: "a@ex.com"}, Body: "x"}))
	for _, line := range s.Last(t, 1).Lines() {
		require.LessOrEqual(t, len(line), 998)
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	smtp := mail.NewSMTP(s.Host, s.Port)
	ascii := "https://" + strings.Repeat("x=", 300) + "\n.dot\n\nFrom here\n"
	require.NoError(t, smtp.Send(t.Context(), &mail.Message{From: noreply, To: noreply, Subject: "s", Body: ascii}))
	require.Equal(t, ascii, s.Last(t, 1).Body(), "neither wrapped nor encoded")
	other := strings.Repeat("é", 200)
	require.NoError(t, smtp.Send(t.Context(), &mail.Message{From: noreply, To: noreply, Subject: "Bestätigung", Body: other}))
	m := s.Last(t, 2)
	require.Contains(t, m.Lines(), `Content-Type: text/plain; charset="utf-8"`)
	require.Contains(t, m.Lines(), "Content-Transfer-Encoding: base64")
	require.Contains(t, m.Lines(), "Subject: =?utf-8?b?QmVzdMOkdGlndW5n?=")
	decoded, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(m.Body(), "\n", ""))
	require.NoError(t, err)
	require.Equal(t, other, string(decoded))
}

func TestWhatWouldBeAnotherMailIsRefused(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	smtp := mail.NewSMTP(s.Host, s.Port)
	for what, change := range map[string]func(m *mail.Message){
		"name with a line break":    func(m *mail.Message) { m.To.Name = "a\nBcc: b@ex.com" },
		"name with a return":        func(m *mail.Message) { m.To.Name = "a\rBcc: b@ex.com" },
		"address with a line break": func(m *mail.Message) { m.To.Address = "a@ex.com\nBcc: b@ex.com" },
		"address that is two":       func(m *mail.Message) { m.To.Address = "a@ex.com> <b@ex.com" },
		"address not ASCII":         func(m *mail.Message) { m.To.Address = "é@ex.com" },
		"sender not ASCII":          func(m *mail.Message) { m.From.Address = "é@ex.com" },
		"subject with a line break": func(m *mail.Message) { m.Subject = "a\nBcc: b@ex.com" },
		"no address":                func(m *mail.Message) { m.To.Address = "" },
	} {
		m := mail.Message{From: noreply, To: noreply, Subject: "s", Body: "secret text"}
		change(&m)
		err := smtp.Send(t.Context(), &m)
		require.Error(t, err, what)
		require.NotContains(t, err.Error(), "secret")
	}
	require.Empty(t, s.Mails())
}

func TestTemplateFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.jinja")
	f := mail.File{Path: path}
	_, err := f.Render(nil)
	require.ErrorIs(t, err, os.ErrNotExist, "a template of one's own must be there")
	v := map[string]any{"name": "<b> & {{ 7 * 7 }}", "port": 443}
	for source, want := range map[string]string{
		"{{ name }}\n":    "<b> & {{ 7 * 7 }}",
		"a\n\n":           "a\n",
		"a\r\nb\r\n":      "a\nb",
		"[{{ nothing }}]": "[]",
		"{% if port %}:{{ port }}{% endif %}{% if prefix %}p{% endif %}": ":443",
		"{% for i in [1, 2] %}{{ i }},{% endfor %}":                      "1,2,",
		"{{ 'x' | upper }}": "X",
	} {
		require.NoError(t, os.WriteFile(path, []byte(source), 0o600))
		got, err := f.Render(v)
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
	secret := filepath.Join(filepath.Dir(path), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("do not show"), 0o600))
	for _, source := range []string{"{% if %}", "{{", "{% include 'secret' %}", "{% include '" + secret + "' %}", "{% extends 'secret' %}", "{% from 'secret' import x %}",
		"{% for i in range(1000000) %}xxxxxxxxxxxxxxxx{% endfor %}", strings.Repeat("x", 64<<10+1)} {
		require.NoError(t, os.WriteFile(path, []byte(source), 0o600))
		_, err := f.Render(v)
		require.Error(t, err, source[:min(len(source), 60)])
		require.NotContains(t, err.Error(), "7 * 7", "no values in errors")
	}
}

func TestAFileAtTheDefaultPathReplacesTheBuiltInTemplate(t *testing.T) {
	t.Parallel()
	f := mail.File{Path: filepath.Join(t.TempDir(), "email_confirmation_get_body.jinja"), Default: true}
	page, err := f.Render(nil)
	require.NoError(t, err)
	require.Equal(t, "Email address confirmed", page)
	require.NoError(t, os.WriteFile(f.Path, []byte("<p>Danke</p>"), 0o600))
	page, err = f.Render(nil)
	require.NoError(t, err)
	require.Equal(t, "<p>Danke</p>", page)
}

func TestDeliveryFailsWhenTheServerIsDownOrRefuses(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	smtp := mail.NewSMTP(s.Host, s.Port)
	m := &mail.Message{From: noreply, To: noreply, Subject: "s", Body: "secret text"}
	s.Refuse(true)
	require.ErrorContains(t, smtp.Send(t.Context(), m), "550")
	s.Refuse(false)
	s.Stop()
	err := smtp.Send(t.Context(), m)
	require.Error(t, err)
	var network net.Error
	require.NotErrorAs(t, err, &network, "nobody may take it for a failure of the database")
	require.NotContains(t, err.Error(), "secret")
	s.Start()
	require.NoError(t, smtp.Send(t.Context(), m), "at once when it is back")
}

func TestDeliveryToAServerThatHangsEndsInTime(t *testing.T) {
	t.Parallel()
	s := mailtest.New(t)
	s.Hang(true)
	m := &mail.Message{From: noreply, To: noreply, Subject: "s", Body: "x"}
	const never, soon = time.Hour, 300 * time.Millisecond
	hurried, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for what, send := range map[string]func() error{
		"the context": func() error { return mail.Hasty(s.Host, s.Port, never, never).Send(hurried, m) },
		"the step":    func() error { return mail.Hasty(s.Host, s.Port, never, soon).Send(t.Context(), m) },
		"the whole":   func() error { return mail.Hasty(s.Host, s.Port, soon, never).Send(t.Context(), m) },
		"one of a crowd": func() error {
			smtp := mail.Hasty(s.Host, s.Port, soon, never)
			ended := make([]error, 20) // eight at a time; the others' time is over when their turn comes
			var wg sync.WaitGroup
			for i := range ended {
				wg.Go(func() { ended[i] = smtp.Send(context.WithoutCancel(t.Context()), m) })
			}
			wg.Wait()
			for _, err := range ended {
				if err == nil {
					return nil
				}
			}
			return errors.Join(ended...)
		},
	} {
		err := send()
		require.Error(t, err, what)
		require.NotErrorIs(t, err, context.DeadlineExceeded, what) // which would be taken for the database's
	}
	require.Empty(t, s.Mails())
}

// FuzzHeaders: whatever the names are, the header has the same lines and no other recipient.
func FuzzHeaders(f *testing.F) {
	for _, name := range []string{"foobar", "a\nBcc: b@ex.com", "\"", "é", "?= =?", strings.Repeat("😀", 256), "\u2028\x85", "\xff"} {
		f.Add(name, "Subject "+name)
	}
	f.Fuzz(func(t *testing.T, name, subject string) {
		text, err := mail.Compose(&mail.Message{From: noreply, To: mail.Mailbox{Name: name, Address: "a@ex.com"}, Subject: subject, Body: "body"})
		if err != nil {
			return
		}
		header, body, _ := strings.Cut(text, "\n\n")
		require.Equal(t, "body", body)
		var names []string
		for line := range strings.SplitSeq(header, "\n") {
			require.LessOrEqual(t, len(strings.ToValidUTF8(line, "")), max(998, len(name)*2+100, len(subject)+10))
			if !strings.HasPrefix(line, " ") {
				n, _, _ := strings.Cut(line, ":")
				names = append(names, n)
			}
			for i := range len(line) {
				require.True(t, line[i] < 0x80 && (line[i] >= ' ' || line[i] == '\t') && line[i] != 0x7f, "printable ASCII")
			}
		}
		require.Equal(t, []string{"Content-Type", "MIME-Version", "Content-Transfer-Encoding", "To", "From", "Subject", "Date", "Message-ID"}, names)
	})
}

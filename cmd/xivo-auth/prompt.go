package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// maxLine bounds what is read of a login or a password, in bytes.
const maxLine = 4096

// credentials gives a login and its password: on a terminal it asks for what it does not have, the password without echo;
// otherwise the password is the first line of in.
func credentials(ctx context.Context, in io.Reader, prompts io.Writer, login string) (name, pw string, err error) {
	ask := func(prompt string, read func() (string, error)) string {
		if err != nil {
			return ""
		}
		_, _ = fmt.Fprint(prompts, prompt)
		var text string
		text, err = read()
		return text
	}
	file, _ := in.(*os.File)
	switch {
	case file != nil && term.IsTerminal(int(file.Fd())):
		if login == "" {
			login = ask("Login: ", func() (string, error) { return interruptible(ctx, func() (string, error) { return line(in) }) })
		}
		pw = ask("Password: ", func() (string, error) { return hidden(ctx, file) })
		_, _ = fmt.Fprintln(prompts)
	case login == "":
		return "", "", errors.New("--login: must be given where the password comes from a pipe")
	default:
		pw, err = line(in)
	}
	if err == nil && (login == "" || pw == "") {
		err = errors.New("a login and a password are needed")
	}
	return login, pw, err
}

// hidden reads a password from a terminal, whose echo comes back also when ctx is over first.
func hidden(ctx context.Context, file *os.File) (string, error) {
	fd := int(file.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	pw, err := interruptible(ctx, func() (string, error) {
		b, err := term.ReadPassword(fd)
		return string(b), err
	})
	if ctx.Err() != nil {
		return "", errors.Join(err, term.Restore(fd, before))
	}
	return pw, err
}

// interruptible gives up waiting for read when ctx is over: Ctrl-C does not interrupt reading from a terminal.
func interruptible(ctx context.Context, read func() (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := read()
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// line reads one line, and nothing beyond it, without its end.
func line(in io.Reader) (string, error) {
	var text strings.Builder
	for one := make([]byte, 1); text.Len() <= maxLine; {
		n, err := in.Read(one)
		if n == 1 && one[0] != '\n' {
			text.Write(one)
			continue
		}
		if n == 1 || errors.Is(err, io.EOF) {
			return strings.TrimSuffix(text.String(), "\r"), nil
		}
		if err != nil {
			return "", fmt.Errorf("read a line: %w", err)
		}
	}
	return "", fmt.Errorf("a line longer than %d bytes", maxLine)
}

package mail

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	"github.com/nikolalohinski/gonja/v2/parser"
)

// Limits of a template and of what it renders to, in bytes.
const (
	maxTemplate = 64 << 10
	maxRendered = 256 << 10
)

//go:embed templates/*.jinja
var builtIn embed.FS

// File is a template: a file of the operator's. It is read anew for every mail, so a change of it counts at once.
type File struct {
	Path string
	// Default: Path is where packages put the template. The built-in one of the same name counts as long as there is none.
	Default bool
}

// read gives the text of the template.
func (f File) read() (string, error) {
	text, err := readFile(f.Path)
	if f.Default && errors.Is(err, fs.ErrNotExist) {
		text, err = builtIn.ReadFile("templates/" + filepath.Base(f.Path))
	}
	if err != nil {
		return "", fmt.Errorf("read template: %w", err)
	}
	return strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // named by the configuration
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxTemplate+1))
	if err == nil && len(text) > maxTemplate {
		err = fmt.Errorf("%s: longer than %d bytes", path, maxTemplate)
	}
	return text, err
}

// language is Jinja2 without what reads other files. One line feed at the end has been taken off before.
var language = func() *exec.Environment {
	blocks := map[string]parser.ControlStructureParser{}
	for _, name := range []string{"autoescape", "break", "call", "continue", "do", "filter", "for", "if", "macro", "raw", "set", "with"} {
		if block, ok := builtins.ControlStructures.Get(name); ok {
			blocks[name] = block
		}
	}
	return &exec.Environment{
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(builtins.GlobalVariables),
		Filters: builtins.Filters, Tests: builtins.Tests, ControlStructures: exec.NewControlStructureSet(blocks), Methods: builtins.Methods,
	}
}()

// Render fills in the template. Names that it uses and that have no value render as nothing. An error does not quote
// values: one of them may be a token.
func (f File) Render(variables map[string]any) (text string, err error) {
	source, err := f.read()
	if err != nil {
		return "", err
	}
	defer func() { // a template that the library stumbles over is a wrong template
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("template %s cannot be rendered", f.Path)
		}
	}()
	loader, err := loaders.NewMemoryLoader(map[string]string{"/template": source})
	if err != nil {
		return "", err
	}
	settings := config.New()
	settings.KeepTrailingNewline = true
	t, err := exec.NewTemplate("/template", settings, loader, language)
	if err != nil {
		return "", fmt.Errorf("template %s: wrong syntax", f.Path)
	}
	out := &bounded{most: maxRendered}
	if err := t.Execute(out, exec.NewContext(maps.Clone(variables))); err != nil || out.over {
		return "", fmt.Errorf("template %s cannot be rendered, or to more than %d bytes", f.Path, maxRendered)
	}
	return out.String(), nil
}

// bounded refuses to grow beyond its limit, which ends a template that loops.
type bounded struct {
	bytes.Buffer
	most int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		b.over = true
		return 0, errors.New("too long")
	}
	return b.Buffer.Write(p)
}

func (b *bounded) WriteString(s string) (int, error) { return b.Write([]byte(s)) }

package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// LoadAPI reads the configuration of the API process. args are the program's
// arguments without its name; environ is as of [os.Environ]; warn (may be nil)
// gets one line for everything that is left out or unknown. With -help it
// prints the listing on standard output and returns [flag.ErrHelp]. Any other
// error joins all problems that were found; none shows a secret.
func LoadAPI(args, environ []string, warn func(msg string)) (API, error) {
	cfg := DefaultAPI()
	l := loader{program: "api", process: &cfg, files: &cfg.Files, warn: warn, stdout: os.Stdout}
	l.check = func(p *problems) { checkAPI(&cfg, p) }
	if err := l.load(args, environ); err != nil {
		return API{}, err
	}
	return cfg, nil
}

// LoadWorker reads the configuration of the worker process; see [LoadAPI].
func LoadWorker(args, environ []string, warn func(msg string)) (Worker, error) {
	cfg := DefaultWorker()
	l := loader{program: "worker", process: &cfg, files: &cfg.Files, warn: warn, stdout: os.Stdout}
	l.check = func(p *problems) { checkWorker(&cfg, p) }
	if err := l.load(args, environ); err != nil {
		return Worker{}, err
	}
	return cfg, nil
}

// LoadTool reads the configuration of the operator's command line; see
// [LoadAPI].
func LoadTool(args, environ []string, warn func(msg string)) (Tool, error) {
	cfg := DefaultTool()
	l := loader{program: "xivo-auth", process: &cfg, files: &cfg.Files, warn: warn, stdout: os.Stdout}
	l.check = func(p *problems) { checkShared(&cfg.Shared, p) }
	if err := l.load(args, environ); err != nil {
		return Tool{}, err
	}
	return cfg, nil
}

// loader fills one process's struct.
type loader struct {
	program string
	process any    // pointer to the struct
	files   *Files // within process
	check   func(*problems)
	warn    func(string)
	stdout  io.Writer
}

func (l *loader) load(args, environ []string) error {
	if l.warn == nil {
		l.warn = func(string) {}
	}
	list := settings(l.process)
	flags := flag.NewFlagSet(l.program, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	configFile := flags.String("config-file", "", "")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			if _, err := io.WriteString(l.stdout, listing(l.program, list)); err != nil {
				return fmt.Errorf("print the listing: %w", err)
			}
			return flag.ErrHelp
		}
		return fmt.Errorf("command line: %w", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("command line: unexpected argument %q", flags.Arg(0))
	}

	variables := environment(environ)
	l.files.ConfigFile, l.files.ExtraConfigFiles = defaultConfigFile, defaultExtraConfigFiles
	named := firstSet(*configFile, variables["XIVO_AUTH_CONFIG_FILE"])
	if named != "" {
		l.files.ConfigFile = named
	}
	where := func(main map[string]any) (string, bool) {
		inMain, _ := main["extra_config_files"].(string)
		if dir := firstSet(variables["XIVO_AUTH_EXTRA_CONFIG_FILES"], inMain); dir != "" {
			l.files.ExtraConfigFiles = dir
			return dir, true
		}
		return defaultExtraConfigFiles, false
	}
	sources, filesErr := readFiles(l.files.ConfigFile, named != "", where, l.warn)
	used := *l.files

	tree := map[string]any{}
	for _, s := range sources {
		tree = merge(tree, s.tree)
	}
	l.warnUnknown(sources, variables)

	p := &problems{settings: map[string]setting{}, variables: variables, sources: sources, seen: map[string]bool{}}
	for _, s := range list {
		p.settings[s.key] = s
		l.set(s, tree, variables[s.variable], p)
	}
	*l.files = used // read from where they say, whatever the merged files hold
	l.check(p)
	return errors.Join(append([]error{filesErr}, p.found...)...)
}

// set fills one field: files first, then the environment over them.
func (l *loader) set(s setting, tree map[string]any, text string, p *problems) {
	if s.variable != "" && text != "" {
		if err := setFromEnv(l.process, s.variable, text); err != nil {
			p.add(s.key, err.Error())
			return
		}
	} else {
		value, found, err := lookup(tree, s.key)
		if err == nil && found && value != nil {
			err = setFromFile(s.value, value)
		}
		if err != nil {
			p.add(s.key, err.Error())
			return
		}
	}
	if wrong := s.within(); wrong != "" {
		p.add(s.key, wrong)
	}
}

// warnUnknown reports keys and variables that no process reads, without their
// values.
func (l *loader) warnUnknown(sources []source, variables map[string]string) {
	keys, knownVariables := knownKeys()
	for _, s := range sources {
		keys.unknown(s.tree, "", func(path string) {
			l.warn(fmt.Sprintf("unknown key %s in %s", path, s.path))
		})
	}
	names := make([]string, 0, len(variables))
	for name := range variables {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		settable, isKey := knownVariables[name]
		switch {
		case isKey && !settable:
			l.warn(fmt.Sprintf("environment variable %s has no effect: this key is read from files only", name))
		case !isKey && !readElsewhere(name):
			l.warn(fmt.Sprintf("unknown environment variable %s", name))
		}
	}
}

// environment returns the variables that are set; an empty one is not.
func environment(environ []string) map[string]string {
	variables := make(map[string]string, len(environ))
	for _, entry := range environ {
		if name, text, _ := strings.Cut(entry, "="); text != "" {
			variables[name] = text
		}
	}
	return variables
}

func firstSet(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

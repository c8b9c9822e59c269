package config

import (
	"fmt"
	"slices"
	"strings"
)

const markdownIntro = `# Configuration

This page is generated from the tags of package ` + "`config`" + `; a test compares the two.

## Sources

A setting has a key, named as in wazo-auth's files, and most have an environment variable: ` + "`XIVO_AUTH_`" + ` and the key in
capitals, dots as underscores (` + "`rest_api.port`" + ` is ` + "`XIVO_AUTH_REST_API_PORT`" + `). From the strongest to the weakest:

1. the environment. It sets single values, lists (` + "`a,b`" + `) and maps of name and switch (` + "`a:true,b:false`" + `), which replace those of the
   files and the defaults. An empty variable counts as unset.
2. the ` + "`*.yml`" + ` files of the folder ` + "`extra_config_files`" + `, in alphabetical order; hidden files and other extensions are left out.
3. the main file, named by the option ` + "`-config-file`" + ` or by ` + "`XIVO_AUTH_CONFIG_FILE`" + `.
4. the defaults below.

Among the files the first one that sets a single value wins. Mappings merge key by key at every depth, also into the defaults; to
switch off one plug-in, write ` + "`name: false`" + `. Lists of several files are concatenated, those of stronger files first, and replace a
list of the defaults. A key without a value (null) leaves the default.

A file or folder that is missing or cannot be read is reported and left out; the default ones may be absent silently. A YAML error
ends the start when it is in the main file; an extra file with one is reported and left out. An empty file is an empty mapping. The
tag ` + "`!exec`" + ` is refused in any file: no program is run. A file has at most 1 MiB.

Unknown keys and unknown variables that begin with ` + "`XIVO_AUTH_`" + ` are reported and have no effect; the processes share their files and
know each other's keys. All errors of a start are reported together. Nothing is reloaded: a change needs a restart.

Secrets (passwords in URIs, ` + "`bootstrap_user_password`, `sealing_keys`, `temporal.api_key`" + `) are masked wherever the configuration is
shown.

The variable ` + "`TZ`" + ` sets the zone of local times in token bodies: an IANA name (` + "`Europe/Paris`" + `) or a POSIX offset (` + "`UTC+1`" + ` is UTC
**minus** one hour, ` + "`<+03>-3`" + ` is UTC plus three); POSIX rules of daylight saving are refused.

The standard variables of OpenTelemetry, which begin with ` + "`OTEL_`" + `, switch on and configure [tracing](operations.md#tracing). They are
read from the environment only.
`

// described is a setting with the processes that read it.
type described struct {
	setting
	processes []string
	standards []string // one for each process
}

// Markdown returns the page docs/configuration.md.
func Markdown() string {
	all := describe()
	var b strings.Builder
	b.WriteString(markdownIntro)
	sections := []struct {
		title string
		holds func(d described) bool
	}{
		{"Settings of every process", func(d described) bool { return len(d.processes) > 1 }},
		{"Settings of the API", func(d described) bool { return slices.Equal(d.processes, []string{"api"}) }},
		{"Settings of the worker", func(d described) bool { return slices.Equal(d.processes, []string{"worker"}) }},
	}
	for i, section := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n", section.title)
		if i == 0 {
			b.WriteString("Read by `api`, `worker` and the command line `xivo-auth`, or by those named.\n\n")
		}
		b.WriteString("| key | variable | default | permitted | meaning |\n|---|---|---|---|---|\n")
		for _, d := range all {
			if section.holds(d) {
				d.row(&b)
			}
		}
	}
	b.WriteString("\n## Keys of wazo-auth that are accepted and not used yet\n\nThey may stay in the files: they are not reported and have no effect in this version.\n\n| key | note |\n|---|---|\n")
	for _, u := range unusedKeys {
		fmt.Fprintf(&b, "| `%s` | %s |\n", u.key, u.why)
	}
	return b.String()
}

func describe() []described {
	api, worker, tool := DefaultAPI(), DefaultWorker(), DefaultTool()
	var all []described
	index := map[string]int{}
	for _, process := range []struct {
		name   string
		config any
	}{{"api", &api}, {"worker", &worker}, {"xivo-auth", &tool}} {
		for _, s := range settings(process.config) {
			i, found := index[s.key]
			if !found {
				i = len(all)
				index[s.key] = i
				all = append(all, described{setting: s})
			}
			all[i].processes = append(all[i].processes, process.name)
			all[i].standards = append(all[i].standards, s.standardText())
		}
	}
	return all
}

func (d described) row(b *strings.Builder) {
	variable := "files only"
	if d.variable != "" {
		variable = code(d.variable)
	}
	standard := code(d.standards[0])
	if slices.ContainsFunc(d.standards, func(s string) bool { return s != d.standards[0] }) {
		parts := make([]string, len(d.standards))
		for i, text := range d.standards {
			parts[i] = code(text) + " (" + d.processes[i] + ")"
		}
		standard = strings.Join(parts, ", ")
	} else if d.standard != "" {
		standard = d.standard
	}
	meaning := d.doc
	if n := len(d.processes); n == 2 {
		meaning += " (" + strings.Join(d.processes, ", ") + ")"
	}
	fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", code(d.key), variable, standard, d.bounds(),
		strings.NewReplacer("|", `\|`, "*", `\*`).Replace(meaning))
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

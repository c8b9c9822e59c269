package config

import "strings"

// prefix begins every variable but XIVO_UUID.
const prefix = "XIVO_AUTH_"

// unusedKeys are the keys of wazo-auth 26.04 that its files may hold and that
// have no effect here; ".*" stands for everything below.
var unusedKeys = []struct{ key, why string }{
	{"user", "the service manager chooses the system user"},
	{"log_filename", "logs go to standard error"},
	{"token_cleanup_batch_size", "each token ends by its own workflow"},
	{"rest_api.max_threads", "there is no pool of threads; db_max_connections bounds the database's"},
	{"rest_api.certificate", "TLS ends at the reverse proxy"},
	{"rest_api.private_key", "TLS ends at the reverse proxy"},
	{"rest_api.cors.*", "only enabled and allow_headers have an effect"},
	{"saml.xmlsec_binary", "signatures are checked in the process"},
	{"saml.xml_files_dir", "metadata are in the database"},
	{"saml.domains.*", "metadata are in the database"},
	{"consul.*", ""},
	{"service_discovery.*", ""},
}

// otherVariables begin with the prefix and are read by other programs of the
// repository, which share their environment with the processes.
var otherVariables = []string{
	"XIVO_AUTH_URL", "XIVO_AUTH_USERNAME", "XIVO_AUTH_PASSWORD", "XIVO_AUTH_TOKEN", "XIVO_AUTH_LDAP_BIND_PASSWORD",
	"XIVO_AUTH_PG_*", "XIVO_AUTH_DEV_*", "XIVO_AUTH_TEST_*", "XIVO_AUTH_BENCH_*",
}

// readElsewhere reports whether a variable is none of this package's keys and
// yet known.
func readElsewhere(variable string) bool {
	matches := func(pattern string) bool {
		head, wild := strings.CutSuffix(pattern, "*")
		return variable == pattern || wild && strings.HasPrefix(variable, head)
	}
	for _, u := range unusedKeys {
		if matches(variableOf(u.key)) {
			return true
		}
	}
	for _, pattern := range otherVariables {
		if matches(pattern) {
			return true
		}
	}
	return false
}

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// testFile is a file of mariadb-test.
type testFile struct {
	name string // suite.file
	why  string // it does not run against an external server; "": it may
}

// fileSuites are the suites of mariadb-test that are about a single server and
// its clients, in the order of worth.
var fileSuites = []string{ //nolint:gochecknoglobals // a table
	"main", "compat/oracle", "json", "sql_sequence", "roles", "period", "versioning", "vcol", "gcol", "handler", "heap", "maria", "csv",
	"archive", "client", "engines/funcs", "engines/iuds", "funcs_1", "funcs_2", "innodb", "innodb_fts", "innodb_gis", "innodb_zip", "jp",
	"optimizer_unfixed_bugs", "parts", "stress", "sys_vars",
}

// protocolSuites are those that are run again by each other protocol.
var protocolSuites = []string{ //nolint:gochecknoglobals // a table
	"main", "compat/oracle", "json", "sql_sequence", "roles", "period", "versioning", "vcol", "gcol", "handler", "heap", "csv", "archive", "engines/funcs",
}

// suiteDir returns where the files of a suite are.
func suiteDir(root, suite string) string {
	for _, dir := range []string{"suite/" + suite + "/t", "suite/" + suite} {
		if found, _ := filepath.Glob(filepath.Join(root, dir, "*.test")); len(found) > 0 {
			return dir
		}
	}
	return "suite/" + suite
}

// testFiles lists the files of suites.
func testFiles(root string, suites []string) ([]testFile, error) {
	disabled, err := disabledFiles(root)
	if err != nil {
		return nil, err
	}
	reader := sourceReader{root: root, seen: map[string]string{}}
	var files []testFile
	for _, suite := range suites {
		dir := "main"
		if suite != "main" {
			dir = suiteDir(root, suite)
		}
		paths, err := filepath.Glob(filepath.Join(root, dir, "*.test"))
		if err != nil {
			return nil, err
		}
		slices.Sort(paths)
		for _, path := range paths {
			base := strings.TrimSuffix(filepath.Base(path), ".test")
			f := testFile{name: suite + "." + base}
			if f.why = reader.unfit(dir, path); disabled[f.name] {
				f.why = "disabled in mariadb-test"
			}
			files = append(files, f)
		}
	}
	return files, nil
}

// disabledFiles reads which files mariadb-test itself does not run.
func disabledFiles(root string) (map[string]bool, error) {
	found := map[string]bool{}
	var lists []string
	for _, dir := range []string{"*", "suite/*", "suite/*/t", "suite/*/*/t"} {
		more, err := filepath.Glob(filepath.Join(root, dir, "disabled.def"))
		if err != nil {
			return nil, err
		}
		lists = append(lists, more...)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		suite, _ := filepath.Rel(root, filepath.Dir(list))
		suite = strings.TrimSuffix(strings.TrimPrefix(suite, "suite/"), "/t")
		for _, line := range strings.Split(string(text), "\n") {
			name, _, ok := strings.Cut(line, ":")
			if name = strings.TrimSpace(name); ok && name != "" && name[0] != '#' {
				found[suite+"."+name] = true
			}
		}
	}
	return found, nil
}

// unfitSources are what a file may not do on an external server, or to a ring.
var unfitSources = []struct { //nolint:gochecknoglobals // a table
	pattern *regexp.Regexp
	why     string
}{
	{regexp.MustCompile(`(?im)^\s*(--)?\s*shutdown_server|restart_mysqld|kill_mysqld|start_mysqld|shutdown_mysqld|^\s*shutdown\s*;|MYSQLD_CMD|MYSQLD_LAST_CMD|mysqld_bootstrap|expect_file`), "restarts the server"},
	{regexp.MustCompile(`(?im)master-slave|rpl_init|^\s*(eval\s+)?(change\s+master|start\s+(all\s+)?slave|stop\s+(all\s+)?slave|reset\s+(slave|master)|purge\s+binary)|rpl_connection`), "changes replication"},
	{regexp.MustCompile(`(?i)have_debug(_sync)?\.inc|debug_dbug|debug_sync\s*=`), "needs a debug build"},
	{regexp.MustCompile(`(?i)have_(perfschema|ssl_communication|openssl|log_bin-off|binlog_format_(statement|mixed)[a-z_]*|rocksdb|spider|sphinx|mroonga|tokudb|partition_off|bison)\.inc`), "needs a server of another configuration"},
	{regexp.MustCompile(`(?i)not_log_bin\.inc|not_binlog|have_wsrep|galera|not_threadpool_off|have_udf\.inc|have_example_plugin|have_dialog|have_pool_of_threads|have_innodb_(4k|8k|32k|64k)\.inc|innodb_page_size_small`), "needs a server of another configuration"},
	{regexp.MustCompile(`(?i)^\s*--\s*source\s+include/(big_test|valgrind_only|windows|have_32bit)[a-z_]*\.inc`), "is big, or for another platform"},
	{regexp.MustCompile(`(?i)\$MYSQL_CLIENT_TEST|\$MYSQL_UPGRADE|\$MYSQL_PLUGIN|\$MYSQL_EMBEDDED|\$MYSQLHOTCOPY|\$MYSQL_FIX_PRIVILEGE|\$MYSQL_INSTALL_DB|\$XTRABACKUP|\$MYSQLD\b|\$MYSQL_SLAVE|\$SLAVE_MYPORT`), "runs a program that is not there"},
	{regexp.MustCompile(`(?im)^\s*(eval\s+)?set\s+(@@)?(global\.?|session\.?|@@global\.)\s*\.?(read_only|gtid_|replicate_|sql_slave|server_id|rpl_semi|relay_log|slave_|gtid_domain)`), "changes replication"},
	{regexp.MustCompile(`(?im)^\s*(--)?\s*let\s+\$?var\s*=\s*(replicate_|slave_|gtid_|sql_slave|rpl_)|@@global\.(sql_slave_skip|slave_exec_mode|replicate_)`), "changes replication"},
	{regexp.MustCompile(`(?im)^\s*(eval\s+)?install\s+(soname|plugin)`), "installs a plugin"},
}

// sourceReader judges files with what they source.
type sourceReader struct {
	root string
	seen map[string]string // file: why it is unfit
}

var sourceLine = regexp.MustCompile(`(?im)^\s*(?:--)?\s*source\s+([^\s;]+)`) //nolint:gochecknoglobals // a constant

// unfit returns why a file can not run, "" if it may.
func (r *sourceReader) unfit(dir, path string) string {
	base := strings.TrimSuffix(path, ".test")
	for _, suffix := range []string{".opt", "-master.opt", ".cnf", "-slave.opt", ".combinations"} {
		if text, err := os.ReadFile(base + suffix); err == nil && strings.TrimSpace(string(text)) != "" {
			return "needs server options"
		}
	}
	for _, file := range []string{"suite.opt", "my.cnf"} {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(path), file)); err == nil && dir != "main" && strings.TrimSpace(string(text)) != "" && file == "suite.opt" {
			return "needs server options"
		}
	}
	return r.look(dir, path)
}

func (r *sourceReader) look(dir, path string) string {
	if why, ok := r.seen[path]; ok {
		return why
	}
	r.seen[path] = "" // files may source each other
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	why := ""
	for _, u := range unfitSources {
		if u.pattern.Match(text) {
			why = u.why
			break
		}
	}
	for _, m := range sourceLine.FindAllStringSubmatch(string(text), -1) {
		if why != "" {
			break
		}
		for _, at := range []string{filepath.Join(r.root, m[1]), filepath.Join(r.root, dir, m[1]), filepath.Join(filepath.Dir(path), m[1])} {
			if _, err := os.Stat(at); err == nil {
				why = r.look(dir, at)
				break
			}
		}
	}
	r.seen[path] = why
	return why
}

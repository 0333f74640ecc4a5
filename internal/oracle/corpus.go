package oracle

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// EnvCorpus is the environment variable with the directory of the mysqltest files.
const EnvCorpus = "SQLRING_CORPUS"

// Corpus returns the different statements of all .test and .inc files below dir, in
// order. Statements with variables of mysqltest are left out.
func Corpus(dir string) ([]string, error) {
	seen := make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || (filepath.Ext(path) != ".test" && filepath.Ext(path) != ".inc") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, statement := range Split(text) {
			seen[statement] = true
		}
		return nil
	})
	found := make([]string, 0, len(seen))
	for statement := range seen {
		found = append(found, statement)
	}
	slices.Sort(found)
	return found, err
}

// Split returns the SQL statements of a mysqltest file: what is between delimiters,
// less the language's own commands.
func Split(text []byte) []string {
	var found []string
	delimiter := ";"
	for len(text) > 0 {
		text = bytes.TrimLeft(text, " \t\r\n")
		if bytes.HasPrefix(text, []byte("#")) || bytes.HasPrefix(text, []byte("--")) {
			line, rest, _ := bytes.Cut(text, []byte("\n"))
			text = rest
			if word, argument, _ := strings.Cut(strings.ToLower(strings.TrimSpace(strings.TrimLeft(string(line), "- "))), " "); word == "delimiter" {
				delimiter = strings.TrimSuffix(strings.TrimSpace(argument), delimiter)
			}
			continue
		}
		statement, rest := cut(text, delimiter)
		text = rest
		word, argument, _ := strings.Cut(statement, " ")
		switch {
		case strings.EqualFold(word, "delimiter"):
			delimiter = strings.TrimSpace(argument)
		case len(statement) > 0 && !isCommand(statement) && !strings.Contains(statement, "$"):
			found = append(found, statement)
		}
		if delimiter == "" {
			delimiter = ";"
		}
	}
	return found
}

// cut returns the text up to the delimiter outside of quotes and comments, and what
// follows.
func cut(text []byte, delimiter string) (statement string, rest []byte) {
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case bytes.HasPrefix(text[i:], []byte(delimiter)):
			return strings.TrimSpace(string(text[:i])), text[i+len(delimiter):]
		case c == '\'' || c == '"' || c == '`':
			quote = c
		}
	}
	return strings.TrimSpace(string(text)), nil
}

// isCommand reports whether a statement is for mysqltest and not for the server.
func isCommand(statement string) bool {
	word := strings.ToLower(strings.FieldsFunc(statement, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '(' })[0])
	switch word {
	case "let", "eval", "echo", "if", "while", "}", "{", "source", "connect", "connection", "disconnect", "send", "reap", "error", "exec", "system", "inc", "dec",
		"die", "exit", "skip", "sleep", "real_sleep", "query", "send_eval", "query_vertical", "query_horizontal", "eval_vertical", "perl", "replace_result", "replace_regex",
		"replace_column", "remove_file", "write_file", "append_file", "cat_file", "diff_files", "copy_file", "move_file", "chmod", "mkdir", "rmdir", "file_exists",
		"enable_warnings", "disable_warnings", "enable_query_log", "disable_query_log", "enable_result_log", "disable_result_log", "sorted_result", "vertical_results",
		"horizontal_results", "dirty_close", "change_user", "character_set", "ping", "sync_with_master", "sync_slave_with_master", "save_master_pos", "wait_for_slave_to_stop",
		"enable_info", "disable_info", "enable_metadata", "disable_metadata", "enable_ps_protocol", "disable_ps_protocol", "enable_abort_on_error", "disable_abort_on_error",
		"enable_reconnect", "disable_reconnect", "require", "result_format", "lowercase_result", "list_files", "remove_files_wildcard", "shutdown_server", "send_quit",
		"enable_connect_log", "disable_connect_log", "start_timer", "end_timer", "output", "enable_parsing", "disable_parsing", "evalp", "reset_connection", "optimizer_trace":
		return true
	}
	return strings.HasPrefix(word, "--") || strings.HasPrefix(word, "enable_") || strings.HasPrefix(word, "disable_")
}

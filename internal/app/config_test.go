package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sqlring/sqlring/internal/authority"
	"github.com/sqlring/sqlring/internal/proxy"
)

// writeFile writes a file of a test into its directory.
func writeFile(t *testing.T, dir, name, text string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // the umask took part
		t.Fatal(err)
	}
	return path
}

// load loads text, with $DIR replaced by a directory that holds pw.
func load(t *testing.T, text string) (Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "pw", "secret\n", 0o600)
	if _, err := proxy.MakeCertificate(filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")); err != nil {
		t.Fatal(err)
	}
	path := writeFile(t, dir, "node.yaml", strings.ReplaceAll(text, "$DIR", dir), 0o644)
	cfg, err := LoadConfig(path)
	return cfg, dir, err
}

const least = "node: n1\ndir: $DIR\nmanager: {password_file: $DIR/pw}\n"

func TestTheLeastFileGetsTheDefaults(t *testing.T) {
	cfg, dir, err := load(t, least)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Node: "n1", Dir: dir,
		Proxy: ProxyConfig{
			Listen: "127.0.0.1:3406", Socket: dir + "/sql.sock",
			TLS: ClientTLSConfig{Mode: "preferred", Cert: dir + "/proxy-cert.pem", Key: dir + "/proxy-key.pem", MinVersion: "TLSv1.2"},
		},
		MemberTLS: MemberTLSConfig{Mode: "disabled"}, MemberCompression: "none",
		API:         APIConfig{Listen: "127.0.0.1:8406", Socket: dir + "/api.sock"},
		Raft:        RaftConfig{Listen: "127.0.0.1:7406", Profile: "lan", Role: "voter"},
		Manager:     AccountConfig{"sqlring", dir + "/pw"},
		Replication: AccountConfig{"sqlring_repl", dir + "/replication.password"},
		Log:         LogConfig{"info", "json"},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	text, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := load(t, string(text))
	if again.Members = nil; err != nil || !reflect.DeepEqual(again, cfg) {
		t.Errorf("written and read again it is %+v, %v:\n%s", again, err, text)
	}
	if err := cfg.Validate(); err != nil {
		t.Errorf("what was loaded is not valid: %v", err)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	ca := t.TempDir()
	if _, _, err := authority.Create(ca, "test", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := authority.Issue(ca, ca, authority.Request{Name: "n2", Role: authority.RoleNode, Days: 1}, time.Now()); err != nil {
		t.Fatal(err)
	}
	cfg, dir, err := load(t, strings.ReplaceAll(`
node: n2
dir: $DIR/state
site: paris
cores: 3
proxy:
  listen: "0.0.0.0:3306"
  socket: none
  permit: [xa, uneven_ddl]
  tls: {mode: required, cert: $DIR/c.pem, key: $DIR/k.pem, client_ca: $DIR/c.pem, min_version: TLSv1.3}
member_tls: {mode: verify-identity, ca: $DIR/c.pem, cert: $DIR/c.pem, key: $DIR/k.pem}
member_compression: zstd
api: {listen: none, socket: $DIR/a.sock}
raft:
  {listen: "node2.example:7406", profile: wan, role: observer, advertise: "node2.example:7406", join: ["node1.example:7406"],
   tls: {ca: $CA/ca.pem, cert: $CA/n2.pem, key: $CA/n2-key.pem}}
manager: {user: boss, password_file: $DIR/pw}
replication: {user: repl, password_file: $DIR/pw}
members:
  - {name: m1, socket: /run/m1.sock}
  - name: m2
    socket: /run/m2.sock
log: {level: debug, format: text}
`, "$CA", ca))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Node: "n2", Dir: dir + "/state", Site: "paris", Cores: 3,
		Proxy: ProxyConfig{Listen: "0.0.0.0:3306", Permit: []string{"xa", "uneven_ddl"}, TLS: ClientTLSConfig{
			Mode: "required", Cert: dir + "/c.pem", Key: dir + "/k.pem", ClientCA: dir + "/c.pem", MinVersion: "TLSv1.3",
		}},
		MemberTLS:         MemberTLSConfig{Mode: "verify-identity", CA: dir + "/c.pem", Cert: dir + "/c.pem", Key: dir + "/k.pem"},
		MemberCompression: "zstd",
		API:               APIConfig{Socket: dir + "/a.sock"},
		Raft: RaftConfig{
			Listen: "node2.example:7406", Profile: "wan", Role: "observer", Advertise: "node2.example:7406", Join: []string{"node1.example:7406"},
			TLS: NodeTLSConfig{CA: ca + "/ca.pem", Cert: ca + "/n2.pem", Key: ca + "/n2-key.pem"},
		},
		Manager:     AccountConfig{"boss", dir + "/pw"},
		Replication: AccountConfig{"repl", dir + "/pw"},
		Members:     []LocalMember{{"m1", "/run/m1.sock"}, {"m2", "/run/m2.sock"}},
		Log:         LogConfig{"debug", "text"},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	text, err := cfg.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := load(t, string(text)); err != nil || !reflect.DeepEqual(again, cfg) {
		t.Errorf("written and read again it is %+v, %v:\n%s", again, err, text)
	}
}

// Each wrong file, and the line and the fix that is told for it.
func TestLoadConfigRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		want []string // without the name of the file; all of them, in order
	}{
		{"empty", "", []string{
			"1: node: it is missing: give this node a name, for example node: n1",
			"1: dir: it is missing: name a directory for the node's state, for example dir: /var/lib/sqlring",
			"1: manager.password_file: it is missing: name a file of mode 0600 that holds the password and nothing else",
		}},
		{"unknown key", least + "prxoy: {}\n", []string{`4: prxoy: unknown key: did you mean "proxy"?`}},
		{"unknown key inside", least + "proxy:\n  lisen: 1.2.3.4:1\n", []string{`5: proxy.lisen: unknown key: did you mean "listen"?`}},
		{"unknown key and nothing near", least + "raft: {colour: red}\n", []string{"4: raft.colour: unknown key: possible here are listen, profile, advertise, role, join, bootstrap_expect, tls"}},
		{"key twice", least + "node: n2\n", []string{"4: node: the key stands on line 1 already: keep one of them"}},
		{"key twice inside", least + "api:\n  socket: /a\n  socket: /b\n", []string{"6: api.socket: the key stands on line 5 already"}},
		{"number for text", least + "log: {level: 3}\n", []string{`4: log.level: text is expected here, "3" is a number: put it in quotes`}},
		{"nothing for text", least + "log: {level: }\n", []string{"4: log.level: text is expected here, the value is nothing"}},
		{"empty text", least + "api: {socket: \"\"}\n", []string{"4: api.socket: it is empty: leave it out for its default, or write none"}},
		{"text for keys", least + "proxy: 127.0.0.1:3406\n", []string{"4: proxy: keys are expected here (listen, socket, tls, member_links, link_idle, client_auto_increment, permit, consistency, limits, proxy_protocol), this is text"}},
		{"a permit that there is not", least + "proxy: {permit: [xa, replicaton]}\n", []string{`4: proxy.permit[1]: "replicaton" is not one of xa, replication, uneven_ddl, reserved_locks: did you mean replication?`}},
		{"keys for a list", least + "members: {name: m1}\n", []string{"4: members: a list is expected here, this is a set of keys"}},
		{"list for keys", "- a\n- b\n", []string{"1: keys are expected here (node, dir,"}},
		{"not yaml", least + "proxy: {listen\n", []string{"5: not YAML"}},
		{"tab", "node: n1\n\tdir: /x\n", []string{"2: not YAML"}},
		{"alias", least + "proxy: &p {socket: /a}\napi: *p\n", []string{"4: proxy: anchors and aliases are not used", "5: api: anchors"}},
		{"two documents", least + "---\nnode: n2\n", []string{"a second document begins here"}},
		{"bad node name", strings.Replace(least, "n1", "N1", 1), []string{`1: node: name "N1": use lower-case`}},
		{"unknown TLS modes", least + "proxy: {tls: {mode: require, min_version: TLSv1}}\nmember_tls: {mode: verify_ca}\nmember_compression: gzip\n", []string{
			`4: proxy.tls.mode: "require" is not one of disabled, preferred, required: did you mean required?`,
			`4: proxy.tls.min_version: "TLSv1" is not one of TLSv1.2, TLSv1.3`,
			`5: member_tls.mode: "verify_ca" is not one of disabled, preferred, required, verify-ca, verify-identity: did you mean verify-ca?`,
			`6: member_compression: "gzip" is not one of none, zlib, zstd`,
		}},
		{"a certificate alone", least + "proxy:\n  tls:\n    cert: $DIR/c.pem\nmember_tls:\n  key: $DIR/k.pem\n", []string{
			"5: proxy.tls.key: it is that of the certificate which", "8: member_tls.key: a key without its certificate",
		}},
		{"TLS files that are not there", least + "proxy:\n  tls:\n    cert: $DIR/no.pem\n    key: $DIR/k.pem\nmember_tls: {mode: required, ca: $DIR/pw}\n", []string{
			"5: proxy.tls: TLS files: certificate", "8: member_tls: TLS files: no certificate in",
		}},
		{"relative TLS files", least + "proxy: {tls: {client_ca: ca.pem}}\n", []string{`4: proxy.tls.client_ca: "ca.pem" is not an absolute path`}},
		{"pools and reads", "node: n1\ndir: $DIR\nproxy:\n  member_links: -1\n  link_idle: soon\n  consistency: [{user: app, reads: some}]\nmanager: {password_file: $DIR/pw}\n", []string{
			"4: proxy.member_links: -1 is negative: a number of connections, or 0 for the default",
			`5: proxy.link_idle: "soon" is no time, as 300ms or 5m`,
			`6: proxy.consistency[0].reads: consistency "some" is not one of eventual, session, account, strong`,
		}},
		{"site with a blank", "node: n1\ndir: $DIR\nsite: New York\nmanager: {password_file: $DIR/pw}\n", []string{`3: site: name "New York"`}},
		{"cores", least + "cores: -1\n", []string{"4: cores: -1: use a number of cores, or 0 for all that there are"}},
		{"relative dir", "node: n1\ndir: state\nmanager: {password_file: $DIR/pw}\n", []string{`2: dir: "state" is relative`}},
		{"bad address", least + "proxy: {listen: 3406}\n", []string{"4: proxy.listen: text is expected here, \"3406\" is a number"}},
		{"no port", least + "proxy: {listen: 127.0.0.1}\n", []string{`4: proxy.listen: address "127.0.0.1" is not of the form host:port: write it as`}},
		{"port too high", least + "proxy: {listen: \"127.0.0.1:70000\"}\n", []string{"the port is not in 1..65535"}},
		{"api not on loopback", least + "api: {listen: \"0.0.0.0:8406\"}\n", []string{"4: api.listen: 0.0.0.0:8406 is not loopback"}},
		{"address twice", least + "proxy: {listen: \"127.0.0.1:8406\"}\n", []string{"api.listen: 127.0.0.1:8406 is proxy.listen already"}},
		{"socket twice", least + "proxy: {socket: /s}\napi: {socket: /s}\n", []string{"5: api.socket: /s is proxy.socket already"}},
		{"relative socket", least + "proxy: {socket: s}\n", []string{`4: proxy.socket: "s" is not an absolute path`}},
		{"long socket", least + "api: {socket: /" + strings.Repeat("x", 120) + "}\n", []string{"a unix socket takes 107"}},
		{"no way in", least + "proxy: {listen: none, socket: none}\n", []string{"4: proxy: listen and socket are both none"}},
		{"no api socket", least + "api: {socket: none}\n", []string{"4: api.socket: it is none"}},
		{"any port of no host", least + "proxy: {listen: \":0\"}\n", []string{"4: proxy.listen: address \":0\" names no host"}},
		{"raft on any port", least + "raft: {listen: \"127.0.0.1:0\"}\n", []string{"4: raft.listen: address \"127.0.0.1:0\": the port is not in"}},
		{"raft none", least + "raft: {listen: none}\n", []string{`4: raft.listen: address "none" is not of the form`}},
		{"witness of nobody", least + "raft: {role: witness}\n", []string{"4: raft.role: a witness is not a ring of its own"}},
		{"raft in clear text", least + "raft: {listen: \"192.0.2.1:7406\"}\n", []string{"4: raft.tls: 192.0.2.1:7406 is not loopback"}},
		{"others in clear text", least + "raft: {join: [\"192.0.2.1:7406\"]}\nreplication: {password_file: $DIR/pw}\n", []string{"4: raft.tls: 192.0.2.1:7406 is not loopback"}},
		{"half a certificate", least + "raft:\n  tls: {ca: $DIR/c.pem}\n", []string{"5: raft.tls.cert: it is missing", "5: raft.tls.key: it is missing"}},
		{"no node's certificate", least + "raft:\n  tls: {ca: $DIR/c.pem, cert: $DIR/c.pem, key: $DIR/k.pem}\n", []string{"5: raft.tls: certificate of"}},
		{"two voters", least + "raft: {join: [\"127.0.0.1:1\"], bootstrap_expect: 2}\nreplication: {password_file: $DIR/pw}\n", []string{"4: raft.bootstrap_expect: 2 voters: use 1, 3 or 5"}},
		{"nobody to expect", least + "raft: {bootstrap_expect: 3}\n", []string{"4: raft.join: 3 voters are expected"}},
		{"a password of each node", least + "raft: {join: [\"127.0.0.1:1\"]}\n", []string{"every node needs the same one"}},
		{"profile", least + "raft: {profile: lam}\n", []string{`4: raft.profile: "lam" is not one of lan, fast, wan: did you mean lan?`}},
		{"level", least + "log: {level: warning}\n", []string{`"warning" is not one of debug, info, warn, error`}},
		{"same account", least + "replication: {user: sqlring}\n", []string{"4: replication.user: sqlring is the manager already"}},
		{"long user", least + "replication: {user: " + strings.Repeat("u", 33) + "}\n", []string{"has 33 characters, a server takes 32"}},
		{"member twice", least + "members:\n  - {name: m1, socket: /a}\n  - {name: m1, socket: /b}\n", []string{"6: members[1].name: m1 is the name of members[0] already"}},
		{"member socket twice", least + "members:\n  - {name: m1, socket: /a}\n  - {name: m2, socket: /a}\n", []string{"6: members[1].socket: /a is the socket of members[0] already"}},
		{"member without a socket", least + "members:\n  - name: m1\n", []string{"5: members[0].socket: it is missing"}},
		{"member without a name", least + "members:\n  - socket: /a\n", []string{"5: members[0].name: a name is missing"}},
		{"password file missing", strings.Replace(least, "/pw", "/no", 1), []string{"3: manager.password_file:"}},
		{"everything at once", "node: 1n\ndirr: /x\nlog: {level: loud, formt: json}\n", []string{
			`1: node: name "1n": use lower-case`, `2: dirr: unknown key: did you mean "dir"?`,
			`3: log.formt: unknown key: did you mean "format"?`, `3: log.level: "loud" is not one of debug, info, warn, error`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := load(t, tt.text)
			var errs ConfigErrors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v, want ConfigErrors", err)
			}
			for i, want := range tt.want {
				if i >= len(errs) || !strings.Contains(errs[i].Error(), want) || !strings.Contains(errs[i].Error(), "node.yaml:") {
					t.Fatalf("got\n%v\nwant as number %d: %s", errs, i+1, want)
				}
			}
			if len(errs) != len(tt.want) {
				t.Errorf("%d errors, want %d:\n%v", len(errs), len(tt.want), errs)
			}
		})
	}
}

func TestPasswordFile(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name, text string
		mode       fs.FileMode
		want, fix  string
	}{
		{"line", "s3cret\n", 0o600, "s3cret", ""},
		{"no newline", "s3cret", 0o400, "s3cret", ""},
		{"windows", "s3cret\r\n", 0o600, "s3cret", ""},
		{"spaces are part of it", " s3 cret \n", 0o600, " s3 cret ", ""},
		{"group", "x\n", 0o640, "", "chmod 600"},
		{"world", "x\n", 0o604, "", "chmod 600"},
		{"empty", "", 0o600, "", "is empty"},
		{"newline only", "\n", 0o600, "", "is empty"},
		{"two lines", "a\nb\n", 0o600, "", "more than one line"},
		{"long", strings.Repeat("x", 600), 0o600, "", "longer than 512"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, dir, strings.ReplaceAll(tt.name, " ", "-"), tt.text, tt.mode)
			got, err := ReadPassword(path)
			if got != tt.want || (err == nil) != (tt.fix == "") || err != nil && !strings.Contains(err.Error(), tt.fix) {
				t.Errorf("got %q, %v, want %q, %q", got, err, tt.want, tt.fix)
			}
			if err != nil && strings.Contains(err.Error(), "a\nb") {
				t.Error("the error shows the password")
			}
		})
	}
	if _, err := ReadPassword(dir); err == nil {
		t.Error("a directory was read as a password")
	}
}

func TestPasswordFileOfOthersIsRefusedByLine(t *testing.T) {
	dir := t.TempDir()
	pw := writeFile(t, dir, "pw", "x\n", 0o644)
	path := writeFile(t, dir, "node.yaml", "node: n1\ndir: "+dir+"\nmanager:\n  password_file: "+pw+"\n", 0o644)
	_, err := LoadConfig(path)
	if want := path + ":4: manager.password_file: " + pw + " may be read or written by others (mode 0644): chmod 600 " + pw; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestSecretsMakeTheReplicationPasswordOnce(t *testing.T) {
	cfg, dir, err := load(t, least)
	if err != nil {
		t.Fatal(err)
	}
	manager, first, err := cfg.secrets()
	if err != nil || manager != "secret" || len(first) < 20 {
		t.Fatalf("secrets are %q, %q, %v", manager, first, err)
	}
	if _, second, err := cfg.secrets(); err != nil || second != first {
		t.Errorf("the second time %q, %v, want %q again", second, err, first)
	}
	info, err := os.Stat(filepath.Join(dir, "replication.password"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := makePassword(filepath.Join(dir, "replication.password")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a password that is there was made anew: %v", err)
	}
	if _, _, err := DefaultConfig("n1", dir).secrets(); err == nil {
		t.Error("a node without a manager's password has secrets")
	}
}

func TestLoadConfigOfNoFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadConfig(filepath.Join(dir, "no.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := LoadConfig(dir); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a directory: %v", err)
	}
	big := writeFile(t, dir, "big.yaml", strings.Repeat("#\n", 1<<20), 0o600)
	if _, err := LoadConfig(big); err == nil || !strings.Contains(err.Error(), "1024 KiB") {
		t.Errorf("2 MiB: %v", err)
	}
}

// The file that is shipped loads, and says the defaults where it says that it
// does.
func TestExampleLoads(t *testing.T) {
	text, err := os.ReadFile("../../config/sqlring.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	writeFile(t, dir, "manager.password", "x\n", 0o600)
	moved := strings.NewReplacer("password_file: /etc/sqlring/", "password_file: "+dir+"/").Replace(string(text))
	cfg, err := LoadConfig(writeFile(t, dir, "sqlring.yaml", moved, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig("n1", "/var/lib/sqlring")
	want.Proxy.Socket, want.API.Socket = "/run/sqlring/sql.sock", "/run/sqlring/api.sock"
	want.Manager.PasswordFile = dir + "/manager.password"
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
}

func TestNearest(t *testing.T) {
	words := []string{"proxy", "api", "raft", "manager", "password_file"}
	for text, want := range map[string]string{
		"prxoy": "proxy", "Proxy": "proxy", "pasword_file": "password_file", "passwordfile": "password_file",
		"colour": "", "": "", "x": "",
	} {
		if got := nearest(text, words); got != want {
			t.Errorf("nearest(%q) is %q, want %q", text, got, want)
		}
	}
}

// Whatever stands in a file, loading it neither panics nor takes it half.
func FuzzDecodeConfig(f *testing.F) {
	f.Add([]byte(least))
	f.Add([]byte("members: [{name: m1}, *x, 3]\n? {a: b}\n: c\n"))
	f.Add([]byte("<<: {node: n1}\nnode: !!binary aGk=\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, at, found := decodeConfig(data)
		for _, e := range at.errors("f", found) {
			if e.Line < 1 {
				t.Errorf("no line: %v", e)
			}
		}
	})
}

package ringcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/topology"
)

// accountChecks are about who may do what on the members.
func accountChecks() []Check {
	return []Check{
		{
			Name: "manager-grants", Severity: Critical, needs: []Part{PartAccounts},
			Looks: "the manager's account has the privileges that sqlring needs", Why: "an operation would fail half-way, at the step that needs the one that is missing",
			each: managerGrants,
		},
		{
			Name: "replication-grants", Severity: Critical, needs: []Part{PartAccounts},
			Looks: "the replication account is there, is not locked, and has REPLICATION SLAVE", Why: "nobody can follow this member: the next heal fails",
			each: replicationGrants,
		},
		{
			Name: "bypass-read-only", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "no account of others has SUPER, READ_ONLY ADMIN, or (MySQL) CONNECTION_ADMIN, SYSTEM_VARIABLES_ADMIN or REPLICATION_SLAVE_ADMIN",
			Why:   "it writes on members that are closed, and what it writes there conflicts with the owner's rows; `GRANT ALL ON *.*` contains these",
			each:  bypassReadOnly,
		},
		{
			Name: "proxy-grants", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "every account that lets somebody in lets the proxy's address in too", Why: "members see the proxy's address: who may log in directly is refused through the proxy (1045)",
			each: proxyGrants,
		},
		{
			Name: "account-plugin", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "accounts log in by a method that the proxy can use", Why: "ed25519, PAM, unix_socket and the like give the proxy nothing that it could log in to a member with",
			each: accountPlugin,
		},
		{
			Name: "account-anonymous", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "there is no anonymous account", Why: "it shadows named accounts with a wider host part, whose users are then refused or get its rights",
			each: accountAnonymous,
		},
		{
			Name: "account-empty-password", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "no account can log in without a password", Why: "whoever reaches the port is let in",
			each: accountEmptyPassword,
		},
		{
			Name: "account-tls", Severity: Notice, needs: []Part{PartAccounts},
			Looks: "accounts that require TLS find it at the members", Why: "the member judges the proxy's connection by it: without member_tls the account is refused",
			each: accountTLS,
		},
		{
			Name: "accounts-equal", Severity: Warning, needs: []Part{PartAccounts},
			Looks: "all members have the same accounts, with the same passwords and global privileges", Why: "an application is refused, or may do more, when the owner changes",
			all: accountsEqual,
		},
	}
}

// managerNeeds are the privileges of docs/accounts.md, and of docs/flavours.md.
func managerNeeds(flavour topology.Flavour) []string {
	if flavour == topology.FlavourMySQL {
		return []string{
			"REPLICATION CLIENT", "REPLICATION SLAVE", "PROCESS", "RELOAD", "REPLICATION_SLAVE_ADMIN",
			"SYSTEM_VARIABLES_ADMIN", "PERSIST_RO_VARIABLES_ADMIN", "CONNECTION_ADMIN", "SYSTEM_USER", "XA_RECOVER_ADMIN",
			"SHOW DATABASES", "SELECT", "SHOW VIEW", "SHOW_ROUTINE", "TRIGGER", "EVENT", "CREATE USER",
		}
	}
	return []string{
		"REPLICATION SLAVE", "REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "SLAVE MONITOR", "BINLOG MONITOR", "BINLOG ADMIN",
		"READ_ONLY ADMIN", "CONNECTION ADMIN", "PROCESS", "RELOAD", "SUPER", "SHOW DATABASES", "SELECT", "CREATE USER", "SHOW VIEW", "TRIGGER", "EVENT",
	}
}

// named returns the accounts of a user, of any host, roles aside.
func (m *Member) named(user string) []Account {
	return slices.Collect(func(yield func(Account) bool) {
		for _, a := range m.Accounts {
			if a.User == user && !yield(a) {
				return
			}
		}
	})
}

func managerGrants(f *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.named(f.Manager) {
		var missing []string
		for _, p := range managerNeeds(m.Version.Flavour) {
			if !a.Has(p) {
				missing = append(missing, p)
			}
		}
		if len(missing) > 0 {
			list := strings.Join(missing, ", ")
			hits = append(hits, hit{object: a.Name(), found: "it lacks " + list, mend: fmt.Sprintf("SET sql_log_bin=0; GRANT %s ON *.* TO %s", list, a.Name())})
		}
	}
	return hits
}

func replicationGrants(f *Facts, m *Member) []hit {
	if m.Intent == nil {
		return nil // sqlring makes it when the member is set up
	}
	list := m.named(f.Replication)
	if len(list) == 0 {
		return []hit{{object: f.Replication, found: "there is no such account", mend: "sqlring master rejoin " + m.Name + ", which makes it"}}
	}
	var hits []hit
	for _, a := range list {
		if a.Locked || !a.Has("REPLICATION SLAVE", "SUPER") {
			hits = append(hits, hit{
				object: a.Name(), found: "it is locked, or lacks REPLICATION SLAVE",
				mend: fmt.Sprintf("SET sql_log_bin=0; ALTER USER %s ACCOUNT UNLOCK; GRANT REPLICATION SLAVE ON *.* TO %s", a.Name(), a.Name()),
			})
		}
	}
	return hits
}

// bypassing are the privileges that pass read_only, or can lift it.
func bypassing(flavour topology.Flavour) []string {
	if flavour == topology.FlavourMySQL {
		return []string{"SUPER", "CONNECTION_ADMIN", "SYSTEM_VARIABLES_ADMIN", "REPLICATION_SLAVE_ADMIN"}
	}
	return []string{"SUPER", "READ_ONLY ADMIN"}
}

func bypassReadOnly(f *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.Accounts {
		if a.Locked || a.Internal || a.User == f.Manager {
			continue
		}
		var has []string
		for _, p := range bypassing(m.Version.Flavour) {
			if a.Has(p) {
				has = append(has, p)
			}
		}
		if len(has) == 0 {
			continue
		}
		h := hit{object: a.Name(), found: "it has " + strings.Join(has, ", "), mend: fmt.Sprintf("REVOKE %s ON *.* FROM %s", strings.Join(has, ", "), a.Name())}
		if a.onHost() {
			h.mend = "keep it for people on the host, and let no application use it"
			h = h.as(Notice)
		}
		hits = append(hits, h)
	}
	return hits
}

// onHost reports whether the account can log in on the server's host only.
func (a Account) onHost() bool {
	return strings.EqualFold(a.Host, "localhost") || a.Host == "127.0.0.1" || a.Host == "::1"
}

// loginPossible reports whether an application could mean to log in by the account.
func loginPossible(f *Facts, a Account) bool {
	return !a.Locked && !a.Internal && a.User != "" && a.User != f.Manager && a.User != f.Replication
}

func proxyGrants(f *Facts, m *Member) []hit {
	from, err := netip.ParseAddr(m.From)
	if err != nil && m.From != "localhost" {
		return nil // the server resolves names: host parts can not be compared
	}
	plain := make([]topology.Account, len(m.Accounts))
	for i, a := range m.Accounts {
		plain[i] = a.Account
	}
	var hits []hit
	told := map[string]bool{}
	for _, a := range m.Accounts {
		if !loginPossible(f, a) || told[a.User] || a.onHost() {
			continue
		}
		if found, ok := topology.MatchAccount(plain, a.User, from); ok && found.User == a.User {
			continue
		}
		told[a.User] = true
		hits = append(hits, hit{
			object: a.Name(), found: fmt.Sprintf("no account of %s lets in %s, where this node comes from", a.User, m.From),
			mend: fmt.Sprintf("CREATE USER '%s'@'%s' with the password and grants of %s", a.User, m.From, a.Name()),
		})
	}
	return hits
}

func accountPlugin(f *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.Accounts {
		usable := a.Plugin == "mysql_native_password" || a.Plugin == "caching_sha2_password"
		if usable || !loginPossible(f, a) || strings.EqualFold(a.Host, "localhost") {
			continue
		}
		hits = append(hits, hit{object: a.Name(), found: "it logs in by " + a.Plugin, mend: fmt.Sprintf("ALTER USER %s IDENTIFIED VIA mysql_native_password USING PASSWORD('…') (MySQL: IDENTIFIED WITH caching_sha2_password BY '…')", a.Name())})
	}
	return hits
}

func accountAnonymous(_ *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.Accounts {
		if a.User == "" && !a.Locked && !a.Internal {
			hits = append(hits, hit{object: a.Name(), found: "anybody may log in by it", mend: "DROP USER " + a.Name()})
		}
	}
	return hits
}

func accountEmptyPassword(f *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.Accounts {
		byPassword := a.Plugin == "mysql_native_password" || a.Plugin == "caching_sha2_password"
		if byPassword && a.Password == "" && !a.Locked && !a.Internal && a.User != "" {
			hits = append(hits, hit{object: a.Name(), found: "it has no password", mend: fmt.Sprintf("ALTER USER %s IDENTIFIED BY '…', or ALTER USER %s ACCOUNT LOCK", a.Name(), a.Name())})
		}
	}
	return hits
}

func accountTLS(f *Facts, m *Member) []hit {
	var hits []hit
	for _, a := range m.Accounts {
		if a.Require.Kind != topology.RequireNothing && loginPossible(f, a) && !m.TLS {
			hits = append(hits, hit{object: a.Name(), found: "it requires TLS, and the server offers none", mend: "give the server ssl_cert and ssl_key, and set member_tls in the node's file"})
		}
	}
	return hits
}

// accountsEqual holds the accounts of each member against those of the first.
//
// sqlring's own two are made on each member by itself; a hash that is salted says
// nothing of their passwords then.
func accountsEqual(f *Facts, members []*Member) []hit {
	var hits []hit
	var model *Member
	for _, m := range members {
		if m.Intent == nil {
			continue
		}
		if model == nil {
			model = m
			continue
		}
		for _, a := range model.Accounts {
			b, ok := m.account(a.Name())
			if a.Plugin == b.Plugin && a.Plugin == "caching_sha2_password" && (a.User == f.Manager || a.User == f.Replication) {
				b.Password = a.Password
			}
			if !ok && !a.Internal {
				hits = append(hits, hit{member: m.Name, object: a.Name(), found: "it is not there; it is on " + model.Name, mend: "SHOW CREATE USER and SHOW GRANTS on " + model.Name + " tell what to run under sql_log_bin=0"})
			} else if ok && !a.Internal && differs(a, b) {
				h := hit{member: m.Name, object: a.Name(), found: "password, method, lock or global privileges are others than on " + model.Name, mend: "SHOW CREATE USER and SHOW GRANTS on both tell which; set it right under sql_log_bin=0"}
				if a.onHost() {
					h = h.as(Notice) // of people on the host: each host may have its own
				}
				hits = append(hits, h)
			}
		}
		for _, b := range m.Accounts {
			if _, ok := model.account(b.Name()); !ok && !b.Internal {
				hits = append(hits, hit{member: m.Name, object: b.Name(), found: "it is not on " + model.Name, mend: "SET sql_log_bin=0; DROP USER " + b.Name() + ", or create it through the proxy"})
			}
		}
	}
	return hits
}

func (m *Member) account(name string) (Account, bool) {
	for _, a := range m.Accounts {
		if a.Name() == name {
			return a, true
		}
	}
	return Account{}, false
}

func differs(a, b Account) bool {
	return a.Plugin != b.Plugin || a.Password != b.Password || a.Locked != b.Locked || a.Require != b.Require || !slices.Equal(a.Privileges, b.Privileges)
}

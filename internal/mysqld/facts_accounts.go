package mysqld

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/sqlring/sqlring/pkg/ringcheck"
	"github.com/sqlring/sqlring/pkg/topology"
)

// accountFacts reads who may log in, and what each may do everywhere, by himself or by a
// role that was granted to him, roles of roles included.
func (c *conn) accountFacts(ctx context.Context, found *ringcheck.Member) error {
	from, err := c.query(ctx, "SELECT SUBSTRING_INDEX(USER(), '@', -1)")
	if err != nil {
		return err
	}
	found.From = from.value()
	list, err := c.dialect.accounts(ctx, c)
	if err != nil {
		return err
	}
	privileges, err := c.privileges(ctx)
	if err != nil {
		return err
	}
	roles, err := c.roles(ctx)
	if err != nil {
		return err
	}
	for _, a := range list {
		account := ringcheck.Account{Account: a, Password: digest(a.Hash), Internal: internal(a.User)}
		account.Hash = "" // it is not needed any more
		account.Privileges = granted(a.User+"@"+a.Host, privileges, roles)
		found.Accounts = append(found.Accounts, account)
	}
	return nil
}

// digest stands for a secret where two are compared; empty for none.
func digest(secret string) string {
	if secret == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:8])
}

func internal(user string) bool {
	switch user {
	case "mariadb.sys", "mysql.sys", "mysql.session", "mysql.infoschema":
		return true
	}
	return false
}

// privileges returns the global privileges by user@host; a role of MariaDB has no host.
func (c *conn) privileges(ctx context.Context) (map[string][]string, error) {
	t, err := c.query(ctx, "SELECT grantee, privilege_type FROM information_schema.user_privileges WHERE privilege_type<>'USAGE' LIMIT 200000")
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, row := range t.rows {
		grantee := plainGrantee(row[0])
		found[grantee] = append(found[grantee], row[1])
	}
	if c.version.Flavour == topology.FlavourMariaDB {
		return found, c.rolePrivileges(ctx, found)
	}
	return found, nil
}

// rolePrivileges adds what MariaDB's roles have, as far as it passes read_only: the table
// of privileges leaves roles out, and the grant tables show bits (MariaDB source,
// sql/privilege.h).
func (c *conn) rolePrivileges(ctx context.Context, found map[string][]string) error {
	t, err := c.query(ctx, `SELECT User, Priv FROM mysql.global_priv WHERE Host='' AND Priv LIKE '%"is_role"%' LIMIT 20000`)
	if err != nil {
		return err
	}
	for _, row := range t.rows {
		var role struct {
			Access uint64 `json:"access"`
			Is     bool   `json:"is_role"`
		}
		if err := json.Unmarshal([]byte(row[1]), &role); err != nil {
			return fmt.Errorf("privileges of role %s: %w", row[0], err)
		}
		for bit, name := range map[int]string{15: "SUPER", 33: "READ_ONLY ADMIN"} {
			if role.Is && role.Access>>bit&1 == 1 {
				found[row[0]+"@"] = append(found[row[0]+"@"], name)
			}
		}
	}
	return nil
}

// plainGrantee reads 'user'@'host' as user@host.
func plainGrantee(quoted string) string {
	user, host := quoted, ""
	if i := strings.LastIndex(quoted, "'@'"); i >= 0 {
		user, host = quoted[:i+1], quoted[i+2:]
	}
	unquote := func(s string) string {
		return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(s, "'"), "'"), "''", "'")
	}
	return unquote(user) + "@" + unquote(host)
}

// roles returns which roles were granted to whom.
func (c *conn) roles(ctx context.Context) (map[string][]string, error) {
	statement := "SELECT CONCAT(User, '@', Host), CONCAT(Role, '@') FROM mysql.roles_mapping LIMIT 20000"
	if c.version.Flavour == topology.FlavourMySQL {
		statement = "SELECT CONCAT(TO_USER, '@', TO_HOST), CONCAT(FROM_USER, '@', FROM_HOST) FROM mysql.role_edges LIMIT 20000"
	}
	t, err := c.query(ctx, statement)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, row := range t.rows {
		found[row[0]] = append(found[row[0]], row[1])
	}
	return found, nil
}

// granted collects what an account has by itself and by its roles.
func granted(account string, privileges, roles map[string][]string) []string {
	var found []string
	seen := map[string]bool{}
	for open := []string{account}; len(open) > 0; open = open[1:] {
		if who := open[0]; !seen[who] {
			seen[who] = true
			found = append(found, privileges[who]...)
			open = append(open, roles[who]...)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

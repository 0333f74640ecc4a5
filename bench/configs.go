package main

import (
	"fmt"
	"strings"
)

// backends is the size of a pool in the case of busy clients.
const backends = 20

// haproxyConfig is tcp mode with one thread, everything else as it comes. The second
// port holds back what exceeds the pool: HAProxy's unit is the connection.
func haproxyConfig(at places) string {
	return fmt.Sprintf(`global
  nbthread 1
  maxconn %d
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout queue 5m
listen bench
  bind 127.0.0.1:%s backlog 4096
  server m1 %s:%s
listen pool
  bind 127.0.0.1:%s backlog 4096
  server m1 %s:%s maxconn %d
`, (at.Files-200)/2, at.Port, at.OwnerHost, at.OwnerPort, at.PoolPort, at.OwnerHost, at.OwnerPort, backends)
}

// routerConfig passes the client's connection through, over as many threads as the
// default of this benchmark has for others. MySQL Router can share connections only
// where it terminates them with TLS or without a password, so it has no pool here.
func routerConfig(at places) string {
	section := func(name, port string, limit int) string {
		return fmt.Sprintf(`[routing:%s]
bind_address=127.0.0.1:%s
destinations=%s:%s
routing_strategy=first-available
protocol=classic
client_ssl_mode=PASSTHROUGH
server_ssl_mode=AS_CLIENT
max_connections=%d
max_connect_errors=4294967295
`, name, port, at.OwnerHost, at.OwnerPort, limit)
	}
	return fmt.Sprintf(`[DEFAULT]
logging_folder=
runtime_folder=%s
data_folder=%s
max_total_connections=%d
[logger]
level=WARNING
[io]
threads=1
`, at.Dir, at.Dir, (at.Files-200)/2) + section("bench", at.Port, (at.Files-200)/2) + section("pool", at.PoolPort, backends)
}

// proxysqlConfig is one thread with multiplexing, as it comes, and two servers: they
// are the same one, the second with a pool of its own.
func proxysqlConfig(at places) string {
	return strings.NewReplacer("@DIR@", at.Dir, "@ADMIN@", at.AdminPort, "@PORT@", at.Port, "@POOL@", at.PoolPort,
		"@HOST@", at.OwnerHost, "@OWNER@", at.OwnerPort, "@USER@", benchUser, "@PASSWORD@", benchPassword,
		"@BACKENDS@", fmt.Sprint(backends)).Replace(`datadir="@DIR@"
admin_variables={ admin_credentials="admin:admin" mysql_ifaces="127.0.0.1:@ADMIN@" }
mysql_variables={
  threads=1 max_connections=10000 monitor_enabled=false server_version="10.11.0"
  interfaces="127.0.0.1:@PORT@;127.0.0.1:@POOL@" free_connections_pct=100
}
mysql_servers=(
  { address="@HOST@" port=@OWNER@ hostgroup=0 max_connections=10000 },
  { address="@HOST@" port=@OWNER@ hostgroup=1 max_connections=@BACKENDS@ }
)
mysql_users=( { username="@USER@" password="@PASSWORD@" default_hostgroup=0 max_connections=10000 } )
mysql_query_rules=( { rule_id=1 active=1 proxy_port=@POOL@ destination_hostgroup=1 apply=1 } )
`)
}

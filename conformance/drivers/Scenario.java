// java Scenario.java HOST PORT USER PASSWORD SCHEMA SCENARIO: the scenario by MariaDB's
// Connector/J, with statements that the server prepares, and without.
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.*;
import java.util.ArrayList;
import java.util.List;

public class Scenario {
  static String md5(byte[] b) throws Exception {
    return new BigInteger(1, MessageDigest.getInstance("MD5").digest(b)).toString(16);
  }

  static String show(Object v) throws Exception {
    if (v == null) return "null";
    if (v instanceof byte[]) {
      byte[] b = (byte[]) v;
      return b.length > 200 ? "bytes " + b.length + " " + md5(b) : "bytes " + new BigInteger(1, b).toString(16) + " " + b.length;
    }
    if (v instanceof Blob) return "blob " + show(((Blob) v).getBytes(1, (int) ((Blob) v).length()));
    String s = v.toString();
    if (s.length() > 200) return "text " + s.length() + " " + md5(s.getBytes(StandardCharsets.UTF_8));
    return v.getClass().getSimpleName() + " " + s;
  }

  static void bind(PreparedStatement s, int i, String p) throws SQLException {
    char kind = p.charAt(0);
    String v = p.substring(2);
    switch (kind) {
      case 'i': s.setLong(i, Long.parseLong(v)); return;
      case 'd': s.setDouble(i, Double.parseDouble(v)); return;
      case 's': s.setString(i, v); return;
      case 'x': s.setBytes(i, new BigInteger(v, 16).toByteArray()); return;
      case 'r': { String[] f = v.split(":"); s.setString(i, f[1].repeat(Integer.parseInt(f[0]))); return; }
      default: s.setNull(i, Types.VARCHAR);
    }
  }

  static void sets(Statement s, boolean isResult) throws Exception {
    while (true) {
      if (isResult) {
        ResultSet rs = s.getResultSet();
        ResultSetMetaData m = rs.getMetaData();
        for (int i = 1; i <= m.getColumnCount(); i++)
          System.out.println("  column " + m.getColumnLabel(i) + " " + m.getColumnName(i) + " " + m.getTableName(i) + " " + m.getColumnTypeName(i)
              + " " + m.getPrecision(i) + " " + m.getScale(i) + " " + m.isNullable(i) + " " + m.isSigned(i) + " " + m.isAutoIncrement(i));
        int n = 0;
        while (rs.next()) {
          if (n++ >= 20) continue;
          StringBuilder line = new StringBuilder();
          for (int i = 1; i <= m.getColumnCount(); i++) {
            try { line.append(" | ").append(show(rs.getObject(i))); } catch (SQLException e) { line.append(" | unreadable ").append(e.getMessage()); }
          }
          System.out.println("  " + line);
        }
        System.out.println("  " + n + " rows");
      } else {
        int count = s.getUpdateCount();
        if (count < 0) return;
        System.out.println("  count " + count);
      }
      isResult = s.getMoreResults();
      if (!isResult && s.getUpdateCount() < 0) return;
    }
  }

  static void error(SQLException e) {
    for (; e != null; e = e.getNextException())
      System.out.println("  error " + e.getErrorCode() + " " + e.getSQLState() + " " + e.getMessage().replaceAll("conn=[0-9]+", "conn="));
  }

  static void warnings(Statement s) throws SQLException {
    for (SQLWarning w = s.getWarnings(); w != null; w = w.getNextWarning())
      System.out.println("  warning " + w.getErrorCode() + " " + w.getMessage());
  }

  public static void main(String[] a) throws Exception {
    List<String> lines = Files.readAllLines(Path.of(a[5]), StandardCharsets.UTF_8);
    for (String options : new String[] {"useServerPrepStmts=false", "useServerPrepStmts=true", "useBulkStmts=true&rewriteBatchedStatements=false", "useCompression=false&allowMultiQueries=true&rewriteBatchedStatements=true"}) {
      System.out.println(options);
      try (Connection db = DriverManager.getConnection("jdbc:mariadb://" + a[0] + ":" + a[1] + "/" + a[4] + "?usePipelineAuth=false&" + options, a[2], a[3])) {
        System.out.println(db.getMetaData().getDatabaseProductVersion() + " " + db.getTransactionIsolation() + " " + db.getCatalog());
        for (String line : lines) {
          if (line.isEmpty() || line.charAt(0) == '#') continue;
          System.out.println(line);
          String[] f = line.split("\t", -1);
          try {
            if (f[0].equals("Q")) {
              try (Statement s = db.createStatement()) { sets(s, s.execute(f[1])); warnings(s); }
              continue;
            }
            try (PreparedStatement s = db.prepareStatement(f[1])) {
              if (f[0].equals("P")) {
                for (int i = 2; i < f.length; i++) bind(s, i - 1, f[i]);
                sets(s, s.execute());
              } else {
                int rows = Integer.parseInt(f[2]), width = (f.length - 3) / rows;
                for (int r = 0; r < rows; r++) {
                  for (int i = 0; i < width; i++) bind(s, i + 1, f[3 + r * width + i]);
                  s.addBatch();
                }
                List<String> counts = new ArrayList<>();
                for (int c : s.executeBatch()) counts.add(String.valueOf(c));
                System.out.println("  batch " + counts);
              }
              warnings(s);
            }
          } catch (SQLException e) {
            error(e);
          }
        }
        try (Statement s = db.createStatement()) {
          s.execute("DROP PROCEDURE three");
          s.execute("DROP FUNCTION twice");
        }
        System.out.println("valid " + db.isValid(1));
      }
    }
  }
}

use super::*;

fn found(text: &str) -> Option<Level> {
    find(text).map(|found| found.level)
}

#[test]
fn levels_are_where_loggers_write_them() {
    use Level::{Critical, Debug, Error, Info, Warning};
    let table = [
        // Python: basicConfig, with time stamps, Flask, Django, warnings
        ("ERROR:root:falhou", Error),
        ("2026-11-26 10:00:00,123 INFO root: fim", Info),
        ("2026-11-26 10:00:00,123 root INFO fim", Info),
        ("2026-11-26 10:00:00,123 - robo.login - WARNING - lento", Warning),
        ("2026-11-26 10:00:00,123 - root - INFO - Found ERROR in file", Info),
        ("2026-11-26 10:00:00,123 [INFO] root: fim", Info),
        ("[2026-11-26 10:00:00,123] [ERROR] fim", Error),
        ("[2026-11-26 10:00:00,123] ERROR in app: Exception on / [GET]", Error),
        ("[26/Nov/2026 10:00:00] INFO [basehttp:212] x", Info),
        ("2026-11-26 10:00:00,123 MainThread robo.login DEBUG x", Debug),
        ("2026-11-26 10:00:00,123 4711 INFO x", Info),
        ("2026-11-26 10:00:00,123 robo.py:33 INFO x", Info),
        ("10:00:00 INFO x", Info),
        ("26/11/2026 10:00:00 - ERRO - x", Error),
        ("INFO     2026-11-26 10:00:00,123 root: fim", Info),
        ("root - INFO - x", Info),
        ("root:INFO:x", Info),
        ("/opt/robo.py:12: DeprecationWarning: old", Warning),
        // loguru, structlog, Robot Framework
        ("2026-11-26 10:00:00.123 | INFO     | __main__:<module>:3 - fim", Info),
        ("2026-11-26 10:00:00.123 | SUCCESS  | __main__:f:3 - ERROR", Info),
        ("2026-11-26 10:00:00 [info     ] fim                  chave=1", Info),
        ("2026-11-26T10:00:00.000000Z [error    ] fim", Error),
        ("timestamp=2026-11-26T10:00:00Z level=warning event=\"x y\"", Warning),
        ("event=\"level=error a \\\" b\" level=info", Info),
        ("20261126 10:00:00.123 | INFO | Abrindo", Info),
        ("[ WARN ] Keyword is old", Warning),
        ("Login no portal                                      | FAIL |", Error),
        // log4j, logback, Spring, java.util.logging in English and Portuguese
        ("10:00:00.123 [main] INFO  com.foo.Bar - fim", Info),
        ("2026-11-26 10:00:00,123 ERROR [main] c.f.Bar - fim", Error),
        ("2026-11-26T10:00:00.123-03:00  WARN 1234 --- [main] c.f.Bar : fim", Warning),
        ("[main] INFO com.foo.Bar - fim", Info),
        ("SEVERE: x", Error),
        ("GRAVE: x", Error),
        ("ADVERTÊNCIA: x", Warning),
        ("[INFO] BUILD SUCCESS", Info),
        // Node: winston, pino-pretty, node itself
        ("info: fim", Info),
        ("2026-11-26T10:00:00.000Z [error]: fim", Error),
        ("2026-11-26T10:00:00.000Z warn: fim", Warning),
        ("[10:00:00.123] INFO (4711): fim", Info),
        ("(node:4711) [DEP0040] DeprecationWarning: old", Warning),
        ("(node:4711) Warning: odd", Warning),
        // Go: slog, zap, logrus; Rust; .NET; glog; Chrome; servers
        ("2026/11/26 10:00:00 INFO fim k=1", Info),
        ("time=2026-11-26T10:00:00.000-03:00 level=ERROR+2 msg=\"x\"", Error),
        ("2026-11-26T10:00:00.000Z\tINFO\tmain.go:1\tfim", Info),
        ("1795687200.123\terror\tmain.go:1\tfim", Error),
        ("time=\"2026-11-26 10:00:00\" level=warning msg=x", Warning),
        ("INFO[0000] fim", Info),
        ("2026-11-26T10:00:00.000Z  WARN robo::login: x", Warning),
        ("[2026-11-26T10:00:00Z INFO  robo] x", Info),
        ("[10:00:00 INF] x", Info),
        ("10:00AM ERR x", Error),
        ("E1126 10:00:00.123456 4711 file.cc:1] x", Error),
        ("[4711:4712:1126/100000.123456:ERROR:ssl_client.cc(980)] handshake failed", Error),
        ("[Thu Nov 26 10:00:00.123 2026] [core:error] [pid 1] x", Error),
        ("2026/11/26 10:00:00 [error] 1#1: x", Error),
        ("2026-11-26 10:00:00.123 UTC [71] ERROR:  x", Error),
        ("Nov 26 10:00:00 host robo[71]: ERROR x", Error),
        ("robo.py: error: the following arguments are required: x", Error),
        // Portuguese, and signs before
        ("ERRO ao abrir o portal", Error),
        ("Erro: saldo", Error),
        ("AVISO: lento", Warning),
        ("[AVISO] lento", Warning),
        ("2026-11-26 10:00:00 CRÍTICO x", Critical),
        ("❌ ERRO: x", Error),
        ("*** WARNING *** x", Warning),
        ("FATAL - x", Critical),
    ];
    let wrong: Vec<_> = table.iter().filter(|(line, level)| found(line) != Some(*level)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn words_of_a_sentence_are_no_levels() {
    for line in [
        "",
        "fim",
        "Error handling works",
        "ERRORS: none",
        "Nenhum ERRO encontrado",
        "0 ERROR found",
        "2026-11-26 10:00:00 Processed 0 ERROR lines",
        "2026-11-26 10:00:00 sem nenhum ERRO",
        "tentativa 3 [error] x",
        "Step 1 - ERROR handling",
        "| 5 | ERROR | 0",
        "https://portal/error: x",
        "msg=\"x\" level=high",
        "err x",
        "Info - x",
        "informações sobre a nota",
        "(see ERROR 5) x",
        "{\"level\": 1",
        "Login ok                                             | PASS |",
    ] {
        assert_eq!(found(line), None, "{line}");
    }
}

#[test]
fn texts_of_errors_are_no_loggers() {
    for (line, by_logger) in [
        ("Error: x", false),
        ("error: x", false),
        ("Warning: x", false),
        ("robo.py: error: x", false),
        ("ERROR: x", true),
        ("info: x", true),
        ("[error] x", true),
        ("2026-11-26T10:00:00Z error: x", true),
    ] {
        assert_eq!(find(line).map(|found| found.by_logger), Some(by_logger), "{line}");
    }
}

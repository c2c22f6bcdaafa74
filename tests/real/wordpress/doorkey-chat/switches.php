<?php
/* What a test has switched, and what a test is told: two files beside the site's folder, out of any browser's reach. */
namespace Doorkey\Chat;

/** A switch as it stands at the beginning of this request. */
function now(string $switch): mixed
{
    static $switches = null;
    $switches ??= json_decode(file_get_contents(dirname(ABSPATH) . '/switches.json'), true);
    return $switches[$switch];
}

add_filter('nonce_life', fn () => now('nonce_life') / (file_exists(between()) ? 2 : 1));

/** The file that says: every nonce died after a message of 2.x was left, and before its answer was fetched. */
function between(): string
{
    return dirname(ABSPATH) . '/died-between';
}

/** Whether this is generation 2.x. */
function newer(): bool
{
    return str_starts_with(now('generation'), '2');
}

/** Note the request; $refused says why the site does not answer it, and is empty when it does. */
function arrived(string $refused): void
{
    $facts = ['refused' => $refused, 'method' => $_SERVER['REQUEST_METHOD'], 'cookies' => array_keys($_COOKIE)];
    $line = json_encode($facts + ['fields' => wp_unslash($_REQUEST), 'uid' => get_current_user_id()]);
    file_put_contents(dirname(ABSPATH) . '/arrived.jsonl', "$line\n", FILE_APPEND | LOCK_EX);
}

/** Say what was handed in as the answer to this step of a question; if there is any. */
function say_handed_in(string $step): void
{
    $answer = now('answer');
    if ($answer !== null && $answer['step'] === $step) {
        arrived($answer['name']);
        plain($answer['status'], $answer['type'], base64_decode($answer['body']));
    }
}

/** Send a body as it is. */
function plain(int $status, string $type, string $body): never
{
    status_header($status);
    header("Content-Type: $type");
    echo $body;
    exit;
}

/** Send an event stream, each part as soon as it is there. */
function stream(iterable $parts): never
{
    header('Content-Type: text/event-stream');
    header('Cache-Control: no-cache');
    header('X-Accel-Buffering: no');
    while (ob_get_level()) {
        ob_end_clean();
    }
    foreach ($parts as $part) {
        echo $part;
        flush();
    }
    exit;
}

/** The answer in pieces, as a model gives it. */
function pieces(string $answer): array
{
    return preg_split('/(?<=\s)/u', $answer);
}

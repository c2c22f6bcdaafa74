<?php
/* The page and the answers of 2.x: a message is left first, and its answer is fetched with the key it left. */
namespace Doorkey\Chat;

const NEWER_NONCE = 'aipkit_frontend_chat_nonce';
define(__NAMESPACE__ . '\PADDING', ': ' . str_repeat(' ', 2048) . "\n\n");
const NEWER_END = "event: done\ndata: {\"finished\":true}\n\n";

/** One element for each bot: a popup's wrapper, or a chat inline. */
function newer_page(): string
{
    $page = '';
    foreach (now('bots') as $bot) {
        $config = esc_attr(wp_json_encode([
            'botId' => (int) $bot,
            'ajaxUrl' => admin_url('admin-ajax.php'),
            'nonce' => wp_create_nonce(NEWER_NONCE),
            'postId' => get_the_ID(),
            'headerName' => "Bot $bot",
            'streamEnabled' => now('stream'),
            'popupEnabled' => now('popup'),
        ]));
        $id = now('popup') ? "aipkit_popup_wrapper_$bot" : "aipkit_chat_container_$bot";
        $page .= "<div id=\"$id\" data-config='$config'></div>";
    }
    return $page . "<script>localStorage.aipkit_guest_uuid ||= '5f0c9d7e-1f1e-4c55-9d3a-0c8f6f1a2b3c';</script>";
}

/** The whole answer at once. */
function newer_whole(): never
{
    if (!check_ajax_referer(NEWER_NONCE, '_ajax_nonce', false)) {
        arrived('nonce');
        newer_failed(403, ['message' => 'Security check failed. Please refresh the page and try again.']);
    }
    say_handed_in('message');
    arrived('');
    $answer = 'The blog heard: ' . wp_unslash($_POST['message'] ?? '');
    newer_said(['reply' => $answer, 'message_id' => 'aipkit-blog']);
}

/** Leave a message, for the key of its answer. */
function newer_cache(): never
{
    if (!check_ajax_referer(NEWER_NONCE, '_ajax_nonce', false)) {
        arrived('nonce');
        $message = 'Your session has expired or the request is invalid. Please refresh the page and try again.';
        newer_failed(403, ['message' => $message, 'code' => 'nonce_failure_cache_sse']);
    }
    say_handed_in('cache');
    $message = wp_unslash($_POST['message'] ?? '');
    if (trim($message) === '') {
        arrived('empty');
        $message = 'Data to cache (message or image) cannot be empty.';
        newer_failed(400, ['message' => $message, 'code' => 'empty_data_to_cache']);
    }
    $key = wp_generate_password(24, false);
    set_transient("doorkey_$key", $message, 300);
    arrived('');
    if (now('dies_between')) {
        touch(between());
    }
    newer_said(['cache_key' => $key]);
}

/** Fetch the answer to a message that was left. */
function newer_stream(): never
{
    if (!check_ajax_referer(NEWER_NONCE, '_ajax_nonce', false)) {
        arrived('nonce');
        stream([PADDING, newer_error('Security check failed. Please refresh the page and try again.'), NEWER_END]);
    }
    say_handed_in('stream');
    $key = wp_unslash($_GET['cache_key'] ?? '');
    $message = $key === '' ? false : get_transient("doorkey_$key");
    // Once only: the key goes with its answer.
    if ($message === false || !delete_transient("doorkey_$key")) {
        arrived('cache key');
        stream([PADDING, newer_error('The message could not be found.')]);
    }
    arrived('');
    stream(newer_events("The blog heard: $message"));
}

function newer_nonce(): never
{
    arrived('');
    newer_said(['nonce' => wp_create_nonce(NEWER_NONCE)]);
}

function newer_events(string $answer): iterable
{
    yield PADDING;
    yield newer_event('message_start', ['message_id' => 'aipkit-blog']);
    yield newer_event('status', ['status' => 'Processing request']);
    foreach (pieces($answer) as $words) {
        yield 'data: ' . wp_json_encode(['delta' => $words]) . "\n\n";
    }
    yield NEWER_END;
}

function newer_event(string $name, array $data): string
{
    return "event: $name\ndata: " . wp_json_encode($data) . "\n\n";
}

function newer_error(string $words): string
{
    return "event: error\nid: err-1700000000\ndata: " . wp_json_encode(['error' => $words]) . "\n\n";
}

function newer_said(array $data): never
{
    wp_send_json_success($data);
    exit;
}

function newer_failed(int $status, array $data): never
{
    wp_send_json_error($data, $status);
    exit;
}

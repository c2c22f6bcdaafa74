<?php
/* The page and the answers of 1.7, 1.8 and 1.9. */
namespace Doorkey\Chat;

const CLASSIC_NONCE = 'wpaicg-chatbox';

function streams(): bool
{
    return now('stream') && now('generation') !== '1.7';
}

/** One element for each bot, and the decoy: a nonce for another matter. */
function classic_page(): string
{
    $page = '<input type="hidden" id="wpaicg-img-nonce" value="' . wp_create_nonce('wpaicg-imagelog') . '">';
    foreach (now('bots') as $bot) {
        $page .= '<div ' . classic_marks((string) get_the_ID(), $bot, 'shortcode') . '><ul></ul></div>';
    }
    return $page;
}

function classic_marks(string $post, string $bot, string $type): string
{
    $marks = [
        'class' => $type === 'widget' ? 'wpaicg-chatbox' : 'wpaicg-chat-shortcode',
        'data-nonce' => wp_create_nonce(CLASSIC_NONCE),
        'data-post-id' => $post,
        'data-url' => home_url($_SERVER['REQUEST_URI']),
        'data-bot-id' => $bot,
        'data-type' => $type,
    ];
    if (now('generation') !== '1.7') {
        $marks['data-openai_stream_nav'] = streams() ? '1' : '0';
    }
    return implode(' ', array_map(fn ($name) => "$name=\"" . esc_attr($marks[$name]) . '"', array_keys($marks)));
}

/** The floating widget, with the post id that it breaks. */
function widget(): void
{
    if (!newer() && now('widget')) {
        echo '<div ' . classic_marks('<' . get_queried_object_id(), '0', 'widget') . '></div>';
    }
}

function scripts(): void
{
    if (newer()) {
        return;
    }
    wp_register_script('wpaicg-init', false, [], null, true);
    wp_enqueue_script('wpaicg-init');
    wp_localize_script('wpaicg-init', 'wpaicgParams', [
        'ajax_url' => admin_url('admin-ajax.php'),
        'search_nonce' => wp_create_nonce(CLASSIC_NONCE),
        'logged_in' => is_user_logged_in() ? '1' : '0',
    ]);
    wp_add_inline_script('wpaicg-init', "if (!localStorage.getItem('wpaicg_chat_client_id'))"
        . " localStorage.setItem('wpaicg_chat_client_id', Math.random().toString(36).slice(2, 12));");
}

function classic_message(): never
{
    classic_guard();
    say_handed_in('message');
    $message = wp_unslash($_REQUEST['message'] ?? '');
    // What 1.7 and 1.8 do to every prompt.
    $message = now('generation') === '1.9' ? $message : sanitize_text_field($message);
    if (trim($message) === '') {
        arrived('empty');
        wp_send_json(['status' => 'error', 'msg' => 'It appears that nothing was inputted.']);
    }
    arrived('');
    $answer = "The blog heard: $message";
    if (streams()) {
        stream(classic_frames($answer));
    }
    if (now('generation') === '1.7') {
        // 1.7 keeps the whole conversation there.
        $told = wp_unslash($_COOKIE['wpaicg_chat_history_0'] ?? '');
        setcookie('wpaicg_chat_history_0', substr($told . "Human: $message\nAI: $answer\n", -2000), ['path' => '/']);
    }
    wp_send_json(classic_whole($answer));
}

/** Refuse a wrong, expired or missing nonce as the generation does. */
function classic_guard(): void
{
    $posted = $_SERVER['REQUEST_METHOD'] === 'POST' || now('generation') !== '1.9';
    $nonce = $posted ? wp_unslash($_REQUEST['_wpnonce'] ?? '') : '';
    if (wp_verify_nonce($nonce, CLASSIC_NONCE)) {
        return;
    }
    arrived('nonce');
    switch (now('generation')) {
        case '1.7':
            $msg = 'Invalid nonce. This action has been blocked for security reasons.';
            wp_send_json(['status' => 'error', 'msg' => $msg]);
        case '1.8':
            wp_send_json(['status' => 'error', 'msg' => 'Nonce verification failed']);
        default:
            $_REQUEST['_wpnonce'] = $nonce;
            check_admin_referer(CLASSIC_NONCE);
            exit;
    }
}

/** `msg` says so always. */
function classic_whole(string $answer): array
{
    return ['status' => 'success', 'msg' => 'Something went wrong', 'data' => $answer, 'log' => 0];
}

function classic_frames(string $answer): iterable
{
    foreach (pieces($answer) as $words) {
        yield classic_frame(['content' => $words], null);
    }
    yield classic_frame((object) [], 'stop');
    yield "data: [DONE]\n\n";
    if (now('generation') === '1.8') {
        yield wp_json_encode(classic_whole($answer)) . "\n";
    }
}

function classic_frame(array|object $delta, ?string $finish): string
{
    return 'data: ' . wp_json_encode([
        'id' => 'chatcmpl-blog',
        'object' => 'chat.completion.chunk',
        'created' => time(),
        'model' => 'gpt-4o-mini',
        'choices' => [['index' => 0, 'delta' => $delta, 'finish_reason' => $finish]],
    ]) . "\n\n";
}
